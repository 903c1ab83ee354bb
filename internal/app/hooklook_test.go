package app_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/state/hooklook"
)

// Pushes are noted while a person looks, no later, and the state is read at most every 5 seconds
// if no one does.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store})
		if err != nil {
			t.Fatal(err)
		}
		look := a.Connections()[0].HookLook()
		push := func() (taken int, noted bool) {
			note := a.Look("x")
			if note != nil {
				note(hooklook.Outline{At: time.Now()})
			}
			synctest.Wait()
			list, err := look.Take(t.Context())
			if err != nil {
				t.Error(err)
			}
			return len(list), note != nil
		}
		step := func(what string, wantTaken int, wantNoted bool) {
			t.Helper()
			if taken, noted := push(); taken != wantTaken || noted != wantNoted {
				t.Errorf("%s: %d written, looked at: %v", what, taken, noted)
			}
		}
		step("the first push, with no one there", 0, true)
		step("the second", 0, false)
		if err := look.Ask(t.Context(), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		step("before the state is read again", 0, false)
		<-time.After(app.LookEvery)
		step("someone looks", 1, true)
		step("and at the next one", 1, true)
		if err := look.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		step("no one looks any more", 0, true)
		step("and that is known", 0, false)
		if err := look.Ask(t.Context(), time.Now().Add(10*time.Second)); err != nil {
			t.Fatal(err)
		}
		<-time.After(11 * time.Second)
		step("the request has ended by itself", 0, true)
	})
}
