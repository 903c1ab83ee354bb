// Package azurite runs Azurite, the emulator of Azure Blob Storage, as a
// stand-in for the storage account that holds the connector's state.
//
// [Start] is for tests: it gives each its own empty account on a free port and
// stops it when the test is over. [Launch] is the same without a test. The
// emulator is a Node program; package nodetools installs it on first use.
//
// The emulator ends when its standard input does, so it can't outlive a test
// process that is killed. Nothing is written to disk.
package azurite

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/nodetools"
)

const (
	accountName = "sentinelstandin"
	// startTimeout is generous: a start takes a second, but many may share a small machine.
	startTimeout = 2 * time.Minute
	stopTimeout  = 10 * time.Second
)

// bootstrap runs the emulator's main module and ends with standard input. The
// emulator expects its own name in front of the flags.
const bootstrap = `process.stdin.on("end", () => process.exit(0)).resume();
process.argv.splice(1, 0, "azurite-blob");
require(process.env.AZURITE_MAIN);`

// Options says how to run the emulator. The zero value is plain http with an
// account key.
type Options struct {
	// OAuth serves https with a fresh self-signed certificate (see
	// [Server.Roots]) and accepts the tokens of [Credential].
	OAuth bool
}

// Server is a running emulator with one empty account.
type Server struct {
	// ServiceURL is the blob endpoint, with the account's name as its path.
	ServiceURL string
	// AccountName and AccountKey belong to this server alone.
	AccountName, AccountKey string
	// ConnectionString holds all of the above.
	ConnectionString string
	// Roots holds the server's certificate. Nil for plain http.
	Roots *x509.CertPool

	cmd   *exec.Cmd
	stdin io.Closer
	dir   string
	log   *tail
	once  sync.Once
}

// Start runs an emulator until the test is over. It fails the test if Node.js
// is missing.
func Start(tb testing.TB) *Server { return start(tb, Options{}) }

// StartOAuth is [Start] with https and tokens instead of http and keys.
func StartOAuth(tb testing.TB) *Server { return start(tb, Options{OAuth: true}) }

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
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tools, err := nodetools.Install(ctx, "azurite")
	if err != nil {
		return nil, fmt.Errorf("azurite: %w", err)
	}
	dir, err := os.MkdirTemp("", "azurite-")
	if err != nil {
		return nil, fmt.Errorf("azurite: %w", err)
	}
	key := make([]byte, 64)
	_, _ = rand.Read(key) // never fails
	s := &Server{AccountName: accountName, AccountKey: base64.StdEncoding.EncodeToString(key), dir: dir, log: new(tail)}
	if err := s.launch(ctx, o, filepath.Join(tools, "node_modules", "azurite", "dist", "src", "blob", "main.js")); err != nil {
		s.Stop()
		return nil, fmt.Errorf("azurite: %w", err)
	}
	return s, nil
}

func (s *Server) launch(ctx context.Context, o Options, main string) error {
	args := []string{
		"-e", bootstrap, "--",
		"--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence",
		// The SDK speaks a newer version of the protocol than the emulator knows.
		"--skipApiVersionCheck", "--silent", "--disableTelemetry",
	}
	if o.OAuth {
		certFile, keyFile, roots, err := selfSigned(s.dir)
		if err != nil {
			return err
		}
		s.Roots = roots
		args = append(args, "--oauth", "basic", "--cert", certFile, "--key", keyFile)
	}
	// Not CommandContext: the emulator outlives the start.
	cmd := exec.Command("node", args...) //nolint:noctx // ended by Stop
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "AZURITE_MAIN="+main, "AZURITE_ACCOUNTS="+s.AccountName+":"+s.AccountKey)
	cmd.Stderr = s.log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, in, err := os.Pipe() // not StdoutPipe, which Wait would close under the reader
	if err != nil {
		return err
	}
	cmd.Stdout = in
	err = errors.Join(cmd.Start(), in.Close()) // the emulator has its own copy
	if err != nil {
		return errors.Join(err, out.Close())
	}
	s.cmd, s.stdin = cmd, stdin
	return s.ready(ctx, out)
}

// ready waits until the emulator says where it listens.
func (s *Server) ready(ctx context.Context, out *os.File) error {
	address := make(chan string, 1)
	go func() {
		defer out.Close()
		defer close(address)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if _, url, ok := strings.Cut(lines.Text(), "successfully listens on "); ok {
				address <- strings.TrimSpace(url)
				_, _ = io.Copy(io.Discard, out) // it must never block on a full pipe
				return
			}
			_, _ = s.log.Write(append(lines.Bytes(), '\n'))
		}
	}()
	select {
	case url, ok := <-address:
		if !ok {
			return fmt.Errorf("it ended instead of listening: %s", s.log)
		}
		s.ServiceURL = url + "/" + s.AccountName
		scheme, _, _ := strings.Cut(url, ":")
		s.ConnectionString = fmt.Sprintf("DefaultEndpointsProtocol=%s;AccountName=%s;AccountKey=%s;BlobEndpoint=%s;",
			scheme, s.AccountName, s.AccountKey, s.ServiceURL)
		return nil
	case <-ctx.Done():
		return fmt.Errorf("it does not listen: %w: %s", ctx.Err(), s.log)
	}
}

// Stop ends the emulator and waits for it. It may be called more than once.
func (s *Server) Stop() {
	s.once.Do(func() {
		if s.cmd != nil {
			_ = s.stdin.Close()
			timer := time.AfterFunc(stopTimeout, func() { _ = s.cmd.Process.Kill() })
			_ = s.cmd.Wait()
			timer.Stop()
		}
		_ = os.RemoveAll(s.dir)
	})
}

// tail keeps the last bytes of the emulator's output for an error message.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	t.buf = t.buf[max(0, len(t.buf)-2000):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}
