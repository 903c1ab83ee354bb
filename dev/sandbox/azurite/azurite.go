// Package azurite runs Azurite, the emulator of Azure Storage, as a stand-in for
// the storage account that holds the connector's state and, with
// [Options.Tables], for the tables that an older connector left behind.
//
// [Start] is for tests: it gives each its own empty account on a free port and
// stops it when the test is over. [Launch] is the same without a test. The
// emulator is a Node program; package nodetools installs it on first use.
//
// The emulator ends when its standard input does, so it can't outlive a test
// process that is killed. Nothing is written to disk.
package azurite

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/nodetools"
)

const (
	accountName = "sentinelstandin"
	// startTimeout is generous: a start takes a second, but many may share a small
	// machine. Installing has its own.
	startTimeout = 2 * time.Minute
	stopTimeout  = 10 * time.Second
)

// Options says how to run the emulator. The zero value is plain http with an
// account key, and blobs only.
type Options struct {
	// OAuth serves https with a fresh self-signed certificate (see
	// [Server.Roots]) and accepts the tokens of [Credential].
	OAuth bool
	// Tables serves tables too, Queues queues.
	Tables, Queues bool
}

// Server is a running emulator with one empty account.
type Server struct {
	// ServiceURL is the blob endpoint, with the account's name as its path.
	ServiceURL string
	// TableURL is the same for tables; empty without [Options.Tables].
	TableURL string
	// QueueURL is the same for queues; empty without [Options.Queues].
	QueueURL string
	// AccountName and AccountKey belong to this server alone.
	AccountName, AccountKey string
	// ConnectionString holds all of the above.
	ConnectionString string
	// Roots holds the server's certificate. Nil for plain http.
	Roots *x509.CertPool

	services []*service
	dir      string
	once     sync.Once
}

// Start runs an emulator until the test is over. It fails the test if Node.js
// is missing.
func Start(tb testing.TB) *Server { return start(tb, Options{}) }

// StartOAuth is [Start] with https and tokens instead of http and keys.
func StartOAuth(tb testing.TB) *Server { return start(tb, Options{OAuth: true}) }

// StartTables is [Start] with tables beside the blobs.
func StartTables(tb testing.TB) *Server { return start(tb, Options{Tables: true}) }

// StartQueues is [Start] with queues beside the blobs.
func StartQueues(tb testing.TB) *Server { return start(tb, Options{Queues: true}) }

func start(tb testing.TB, o Options) *Server {
	tb.Helper()
	s, err := Launch(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Stop)
	return s
}

// Launch runs an emulator until [Server.Stop]. ctx is for the start only.
func Launch(ctx context.Context, o Options) (*Server, error) {
	tools, err := nodetools.Install(ctx, "azurite")
	if err != nil {
		return nil, fmt.Errorf("azurite: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "azurite-")
	if err != nil {
		return nil, fmt.Errorf("azurite: %w", err)
	}
	key := make([]byte, 64)
	_, _ = rand.Read(key) // never fails
	s := &Server{AccountName: accountName, AccountKey: base64.StdEncoding.EncodeToString(key), dir: dir}
	if err := s.launch(ctx, o, filepath.Join(tools, "node_modules", "azurite", "dist", "src")); err != nil {
		s.Stop()
		return nil, fmt.Errorf("azurite: %w", err)
	}
	return s, nil
}

// launch starts a process for each service, from the folder of the emulator's code.
func (s *Server) launch(ctx context.Context, o Options, code string) error {
	var flags []string
	if o.OAuth {
		certFile, keyFile, roots, err := selfSigned(s.dir)
		if err != nil {
			return err
		}
		s.Roots = roots
		flags = []string{"--oauth", "basic", "--cert", certFile, "--key", keyFile}
	}
	urls := map[string]*string{"blob": &s.ServiceURL}
	if o.Tables {
		urls["table"] = &s.TableURL
	}
	if o.Queues {
		urls["queue"] = &s.QueueURL
	}
	for kind := range urls { // all at once, each takes a second
		one, err := s.run(kind, filepath.Join(code, kind, "main.js"), flags)
		if err != nil {
			return err
		}
		s.services = append(s.services, one)
	}
	for _, one := range s.services {
		address, err := one.ready(ctx)
		if err != nil {
			return err
		}
		scheme := "http://"
		if o.OAuth {
			scheme = "https://"
		}
		*urls[one.kind] = scheme + address + "/" + s.AccountName
	}
	scheme, _, _ := strings.Cut(s.ServiceURL, ":")
	s.ConnectionString = fmt.Sprintf("DefaultEndpointsProtocol=%s;AccountName=%s;AccountKey=%s;BlobEndpoint=%s;",
		scheme, s.AccountName, s.AccountKey, s.ServiceURL)
	if s.TableURL != "" {
		s.ConnectionString += "TableEndpoint=" + s.TableURL + ";"
	}
	if s.QueueURL != "" {
		s.ConnectionString += "QueueEndpoint=" + s.QueueURL + ";"
	}
	return nil
}

// Stop ends the emulator and waits for it. It may be called more than once.
func (s *Server) Stop() {
	s.once.Do(func() {
		for _, one := range s.services {
			one.stop()
		}
		_ = os.RemoveAll(s.dir)
	})
}
