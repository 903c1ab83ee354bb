package azblob_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	sdk "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/azblob"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

// The emulators that all tests of the package share; each test has containers of its own.
var plain, oauth *azurite.Server

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	for server, o := range map[**azurite.Server]azurite.Options{&plain: {}, &oauth: {OAuth: true}} {
		if *server, err = azurite.Launch(context.Background(), o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer (*server).Stop()
	}
	return m.Run()
}

// account is a Config for the emulator with one of the ways to get in.
type account func(container string) azblob.Config

func withKey(s *azurite.Server) account {
	return func(container string) azblob.Config {
		return azblob.Config{ServiceURL: at(s.ServiceURL), Container: container, AccountName: s.AccountName, AccountKey: secret.New(s.AccountKey)}
	}
}

func withToken(s *azurite.Server, cred azurite.Credential) account {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS12}}
	return func(container string) azblob.Config {
		cfg := azblob.Config{ServiceURL: at(s.ServiceURL), Container: container, Credential: cred}
		cfg.ClientOptions.Transport = &http.Client{Transport: transport}
		return cfg
	}
}

func open(tb testing.TB, cfg azblob.Config) *azblob.Store {
	tb.Helper()
	store, err := azblob.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

func TestConformance(t *testing.T) {
	admin, err := sdk.NewClientFromConnectionString(plain.ConnectionString, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		account account
		locks   bool // the lock can be broken from outside
	}{
		{"account key", withKey(plain), true},
		{"managed identity", withToken(oauth, azurite.Credential{}), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			places := 0
			var container string
			subject := statetest.Subject{Open: func(tb testing.TB) func() state.Store {
				places++
				container = fmt.Sprintf("place-%d", places)
				return func() state.Store {
					cfg := test.account(container)
					cfg.RenewEvery = 20 * time.Millisecond
					return open(tb, cfg)
				}
			}}
			if test.locks {
				subject.BreakLock = func(tb testing.TB, key string) {
					client, err := lease.NewBlobClient(admin.ServiceClient().NewContainerClient(container).NewBlobClient(key), nil)
					if err != nil {
						tb.Fatal(err)
					}
					now := int32(0)
					if _, err := client.BreakLease(tb.Context(), &lease.BlobBreakOptions{BreakPeriod: &now}); err != nil {
						tb.Fatal(err)
					}
				}
			}
			statetest.Run(t, subject)
		})
	}
}

func TestSharedAccessSignature(t *testing.T) {
	store := open(t, withKey(plain)("box"))
	if _, err := store.Put(t.Context(), "t/x", []byte("x"), state.Absent); err != nil {
		t.Fatal(err)
	}
	sas := openWithSAS(t)
	if got, err := sas.Get(t.Context(), "t/x"); err != nil || string(got.Data) != "x" {
		t.Errorf("Get: %q, %v", got.Data, err)
	}
	if _, err := sas.Put(t.Context(), "t/x", []byte("y"), state.Any); err == nil || !strings.Contains(err.Error(), "AzureWebJobsStorage") ||
		strings.Contains(err.Error(), "sig=") {
		t.Errorf("Put with a signature for reading: %v, want it to name the setting and to keep the signature", err)
	}
}

// openWithSAS opens the container "box" with a signature that allows to read and list.
func openWithSAS(t *testing.T) *azblob.Store {
	t.Helper()
	admin, err := sdk.NewClientFromConnectionString(plain.ConnectionString, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := admin.ServiceClient().GetSASURL(
		sas.AccountResourceTypes{Container: true, Object: true}, sas.AccountPermissions{Read: true, List: true}, time.Now().Add(time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(signed, "?")
	return open(t, azblob.Config{Container: "box", ServiceURL: at(plain.ServiceURL), SAS: secret.New(query)})
}

// TestContainerIsCreatedOnce has many stores meet a missing container at the same time.
func TestContainerIsCreatedOnce(t *testing.T) {
	account := withKey(plain)
	errs := make(chan error)
	const stores = 8
	for i := range stores {
		store := open(t, account("race"))
		go func() {
			_, err := store.Put(t.Context(), fmt.Sprintf("t/%d", i), nil, state.Absent)
			errs <- err
		}()
	}
	for range stores {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := keys(t, open(t, account("race")), ""); len(got) != stores {
		t.Errorf("%d objects, want %d", len(got), stores)
	}
}

// TestReadingCreatesNothing: looking must not make a container.
func TestReadingCreatesNothing(t *testing.T) {
	store := open(t, withKey(plain)("nothing"))
	if _, err := store.Get(t.Context(), "t/x"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
	if err := store.Delete(t.Context(), "t/x"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if got := keys(t, store, ""); len(got) != 0 {
		t.Errorf("List: %q", got)
	}
	admin, err := sdk.NewClientFromConnectionString(plain.ConnectionString, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.ServiceClient().NewContainerClient("nothing").GetProperties(t.Context(), nil); !bloberror.HasCode(err, bloberror.ContainerNotFound) {
		t.Errorf("GetProperties: %v, want ContainerNotFound", err)
	}
}

// pageOf asks for few blobs at a time, as the service does for very many.
type pageOf string

func (n pageOf) Do(req *policy.Request) (*http.Response, error) {
	if q := req.Raw().URL.Query(); q.Get("comp") == "list" {
		q.Set("maxresults", string(n))
		req.Raw().URL.RawQuery = q.Encode()
	}
	return req.Next()
}

func TestListPages(t *testing.T) {
	account := withKey(plain)
	cfg := account("pages")
	cfg.ClientOptions.PerCallPolicies = []policy.Policy{pageOf("3")}
	store := open(t, cfg)
	var want []string
	for i := range 10 {
		key := fmt.Sprintf("t/%02d", i)
		want = append(want, key)
		if _, err := store.Put(t.Context(), key, nil, state.Absent); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, keys(t, store, "t/")); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}

func TestCostOfOperations(t *testing.T) {
	var requests atomic.Int64
	cfg := withKey(plain)("cost")
	cfg.ClientOptions.Transport = transport(func(req *http.Request) (*http.Response, error) {
		requests.Add(1)
		return http.DefaultClient.Do(req)
	})
	store := open(t, cfg)
	cost := func(what string, want int64, do func() error) {
		t.Helper()
		before := requests.Load()
		if err := do(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got := requests.Load() - before; got != want {
			t.Errorf("%s: %d requests, want %d", what, got, want)
		}
	}
	lockAndRelease := func() error {
		_, release, err := store.Lock(t.Context(), "t/locks/x")
		if err != nil {
			return err
		}
		return release(t.Context())
	}
	// acquire, create, create the container, create, acquire, release
	cost("first lock", 6, lockAndRelease)
	cost("lock and release", 2, lockAndRelease)
	put := func() error { _, err := store.Put(t.Context(), "t/x", []byte("x"), state.Any); return err }
	cost("write", 1, put)
	cost("write again", 1, put)
	cost("read", 1, func() error { _, err := store.Get(t.Context(), "t/x"); return err })
	cost("delete", 1, func() error { return store.Delete(t.Context(), "t/x") })
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) Do(req *http.Request) (*http.Response, error) { return f(req) }

func keys(t *testing.T, store state.Store, prefix string) (keys []string) {
	t.Helper()
	for info, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}
