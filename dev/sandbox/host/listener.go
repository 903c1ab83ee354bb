package host

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// Singleton is the part of host.json about the lease that lets a timer run on one instance
// only.
type Singleton struct {
	// Period is how long the lease lasts. Its holder renews it after half of that.
	Period time.Duration
	// Recovery is how often an instance without the lease tries to get it.
	Recovery time.Duration
}

// The defaults of the host, and the least that it accepts for either.
const (
	defaultLease = time.Minute
	leastLease   = 15 * time.Second
)

// ReadSingleton reads a host.json.
func ReadSingleton(path string) (Singleton, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Singleton{}, err
	}
	var file struct {
		Singleton struct {
			Period   string `json:"listenerLockPeriod"`
			Recovery string `json:"listenerLockRecoveryPollingInterval"`
		} `json:"singleton"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return Singleton{}, fmt.Errorf("read %s: %w", path, err)
	}
	var s Singleton
	if s.Period, err = leaseTime(file.Singleton.Period); err == nil {
		s.Recovery, err = leaseTime(file.Singleton.Recovery)
	}
	if err == nil && s.Period > defaultLease {
		err = fmt.Errorf("listenerLockPeriod is %v, and a lease lasts a minute at most", s.Period)
	}
	if err != nil {
		return Singleton{}, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

// leaseTime reads a time span as .NET writes it.
func leaseTime(text string) (time.Duration, error) {
	if text == "" {
		return defaultLease, nil
	}
	at, err := time.Parse(time.TimeOnly, text)
	if err != nil {
		return 0, err
	}
	span := at.Sub(at.Truncate(24 * time.Hour))
	if span < leastLease {
		return 0, fmt.Errorf("%s is less than the 15 seconds that the host accepts", text)
	}
	return span, nil
}

// ListenerLock is the blob whose lease the instances of an app compete for. The zero value
// is free.
type ListenerLock struct {
	mu     sync.Mutex
	holder string
	until  time.Time
	// Operations counts the requests to the storage account.
	Operations int
}

// Listen is the timer listener of one instance, until ctx ends with the instance: as when it
// is killed, the lease is not given back. ticking is called once, when the instance has
// the lease: from then on its timer fires, at once if a firing is overdue.
func (l *ListenerLock) Listen(ctx context.Context, instance string, s Singleton, ticking func()) {
	held := false
	for {
		wait := s.Recovery
		if l.take(instance, s.Period) {
			if !held {
				held = true
				ticking()
			}
			wait = s.Period / 2
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// take gets or renews the lease.
func (l *ListenerLock) take(instance string, period time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Operations++
	now := time.Now()
	if l.holder != instance && now.Before(l.until) {
		return false
	}
	l.holder, l.until = instance, now.Add(period)
	return true
}
