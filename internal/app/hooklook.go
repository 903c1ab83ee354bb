package app

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state/hooklook"
)

const (
	// LookEvery is how often a process reads whether someone inspects its hooks.
	LookEvery = 5 * time.Second
	// lookTimeout limits what is done for that.
	lookTimeout = 10 * time.Second
	// looksAtOnce is how many outlines a process writes at the same time.
	looksAtOnce = 4
)

// looking is whether someone inspects the hooks of a connection.
type looking struct {
	mu      sync.Mutex
	read    time.Time // when it was read
	until   time.Time
	writing int
}

// HookLook is where outlines of pushes are left for a person who asks for them.
func (c *Connection) HookLook() *hooklook.Store { return hooklook.New(c.store, c.settings.Tenant) }

// Look returns what notes the outline of a push to a path below /api/hooks/, if someone may have
// asked for it; nil if not. The function returns at once.
func (a *App) Look(path string) func(hooklook.Outline) {
	if len(a.connections) == 0 {
		return nil
	}
	c := a.connections[0] // also sees what no connection receives
	name, _, _ := strings.Cut(path, "/")
	for _, other := range a.connections {
		if other.settings.Name != "" && strings.EqualFold(other.settings.Name, name) {
			c = other
		}
	}
	now := time.Now()
	c.looking.mu.Lock()
	defer c.looking.mu.Unlock()
	due := now.Sub(c.looking.read) >= LookEvery
	if due {
		c.looking.read = now // the others need not wait
	}
	if !due && !now.Before(c.looking.until) || c.looking.writing >= looksAtOnce {
		return nil
	}
	c.looking.writing++
	return func(o hooklook.Outline) { go c.look(o) }
}

// look reads whether someone inspects the hooks, and writes an outline for them.
func (c *Connection) look(o hooklook.Outline) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	until, err := c.HookLook().Asked(ctx)
	if err == nil && time.Now().Before(until) {
		err = c.HookLook().Note(ctx, o)
	}
	if err != nil {
		c.log.Warn("push could not be shown to the person who inspects the hook", "error", err.Error())
	}
	c.looking.mu.Lock()
	defer c.looking.mu.Unlock()
	c.looking.until = until
	c.looking.writing--
}
