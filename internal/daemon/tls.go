package daemon

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often a certificate is looked for on disk, at most.
const certificateCheck = 10 * time.Second

// Certificate is a certificate and its key in files, which are read again when they change: a
// renewal needs no restart.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	changed [2]time.Time // of the files, as last read
	looked  time.Time
	failing bool // the files can't be read
}

// LoadCertificate reads a certificate and its key, as PEM.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	changed, err := c.times()
	if err != nil {
		return nil, err
	}
	if err := c.read(changed); err != nil {
		return nil, err
	}
	return c, nil
}

// Config returns a server's configuration with this certificate.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return c.get(), nil
	}}
}

// get returns the certificate, newly read if its files have changed. One that can't be read leaves
// the old one in use.
func (c *Certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.looked) < certificateCheck {
		return c.current
	}
	c.looked = now
	changed, err := c.times()
	if err == nil && changed != c.changed {
		if err = c.read(changed); err == nil {
			c.log.Info("the certificate was read again", "file", c.certFile)
		}
	}
	if err != nil && !c.failing {
		c.log.Warn("the certificate can't be read again; the old one stays in use", "error", err.Error())
	}
	c.failing = err != nil
	return c.current
}

func (c *Certificate) read(changed [2]time.Time) error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	c.current, c.changed = &pair, changed
	return nil
}

func (c *Certificate) times() (changed [2]time.Time, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return changed, fmt.Errorf("read the certificate: %w", err)
		}
		changed[i] = info.ModTime()
	}
	return changed, nil
}
