package azurite

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// bootstrap runs a main module of the emulator and ends with standard input. The
// emulator expects its own name in front of the flags. Not every service of it
// tells which port it got, so what listens first is watched.
const bootstrap = `process.stdin.on("end", () => process.exit(0)).resume();
process.argv.splice(1, 0, "azurite");
const { Server } = require("net"), { listen } = Server.prototype;
Server.prototype.listen = function (...args) {
  this.once("listening", () => console.log("listening on " + this.address().address + ":" + this.address().port));
  return listen.apply(this, args);
};
require(process.env.AZURITE_MAIN);`

// service is one process of the emulator.
type service struct {
	kind  string // "blob", "table" or "queue"
	cmd   *exec.Cmd
	stdin io.Closer
	out   *os.File
	log   *tail
}

// run starts the service whose main module is at main.
func (s *Server) run(kind, main string, flags []string) (*service, error) {
	one := &service{kind: kind, log: new(tail)}
	args := append([]string{
		"-e", bootstrap, "--",
		"--" + kind + "Host", "127.0.0.1", "--" + kind + "Port", "0", "--inMemoryPersistence",
		// The SDK speaks a newer version of the protocol than the emulator knows.
		"--skipApiVersionCheck", "--silent", "--disableTelemetry",
	}, flags...)
	// Not CommandContext: the emulator outlives the start.
	cmd := exec.Command("node", args...) //nolint:noctx // ended by stop
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "AZURITE_MAIN="+main, "AZURITE_ACCOUNTS="+s.AccountName+":"+s.AccountKey)
	cmd.Stderr = one.log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, in, err := os.Pipe() // not StdoutPipe, which Wait would close under the reader
	if err != nil {
		return nil, err
	}
	cmd.Stdout = in
	if err := errors.Join(cmd.Start(), in.Close()); err != nil { // the emulator has its own copy
		return nil, errors.Join(err, out.Close())
	}
	one.cmd, one.stdin, one.out = cmd, stdin, out
	return one, nil
}

// ready waits until the service says where it listens.
func (s *service) ready(ctx context.Context) (address string, err error) {
	listening := make(chan string, 1)
	go func() {
		defer s.out.Close()
		defer close(listening)
		lines := bufio.NewScanner(s.out)
		for lines.Scan() {
			if address, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				listening <- strings.TrimSpace(address)
				_, _ = io.Copy(io.Discard, s.out) // it must never block on a full pipe
				return
			}
			_, _ = s.log.Write(append(lines.Bytes(), '\n'))
		}
	}()
	select {
	case address, ok := <-listening:
		if !ok {
			return "", fmt.Errorf("its %s service ended instead of listening: %s", s.kind, s.log)
		}
		return address, nil
	case <-ctx.Done():
		return "", fmt.Errorf("its %s service does not listen: %w: %s", s.kind, ctx.Err(), s.log)
	}
}

func (s *service) stop() {
	_ = s.stdin.Close()
	timer := time.AfterFunc(stopTimeout, func() { _ = s.cmd.Process.Kill() })
	_ = s.cmd.Wait()
	timer.Stop()
	_ = s.out.Close() // if nobody waited for it
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
