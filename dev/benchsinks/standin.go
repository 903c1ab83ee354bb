package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
)

// standInJob is what a stand-in is told.
type standInJob struct {
	Latency     int64  `json:"latency"`     // milliseconds from the end of a request to its answer
	Certificate string `json:"certificate"` // where to write it, in PEM
}

// arrived is what a stand-in has to tell when it ends.
type arrived struct {
	Requests   int    `json:"requests"`
	Wire       int64  `json:"wire"` // bytes that came in, TLS and headers included
	Rows       int    `json:"rows"` // without repetitions
	Duplicates int    `json:"duplicates"`
	IDs        uint64 `json:"ids"`     // their digest
	Refused    string `json:"refused"` // the first answer that would not have been a 204
}

// check says what is wrong with what came of the data.
func (a arrived) check(data dataset) error {
	switch {
	case a.Refused != "":
		return fmt.Errorf("the service refuses a request: %s", a.Refused)
	case a.Rows != data.events || a.Duplicates != 0:
		return fmt.Errorf("%d rows and %d more that are there twice, want %d", a.Rows, a.Duplicates, data.events)
	case a.IDs != data.ids:
		return errors.New("the rows are not those that were to be sent")
	}
	return nil
}

// front takes every request and says 204 after the latency, as the service does
// before it has looked at the rows. What it took is judged by a Workspace when the
// sender is done: unpacking takes the stand-in about as long as packing takes the sender, and
// is no part of the comparison.
type front struct {
	latency time.Duration

	mu    sync.Mutex
	taken []request
}

type request struct {
	head *http.Request
	body []byte
}

// ServeHTTP implements [http.Handler].
func (f *front) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body := bytes.NewBuffer(make([]byte, 0, max(r.ContentLength, 0)+bytes.MinRead))
	if _, err := body.ReadFrom(r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	timer := time.NewTimer(f.latency)
	defer timer.Stop()
	f.mu.Lock()
	f.taken = append(f.taken, request{r.Clone(context.Background()), body.Bytes()})
	f.mu.Unlock()
	if f.latency > 0 {
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
	}
	rw.WriteHeader(http.StatusNoContent)
}

// judge has everything that was taken judged.
func (f *front) judge() arrived {
	rule := workspace.NewRule()
	rule.RequestsPerMinute = math.MaxInt // they come faster now than they did
	ws := &workspace.Workspace{Compact: true, Rules: map[string]*workspace.Rule{workspace.DefaultRule: rule}}
	a := arrived{Requests: len(f.taken)}
	for _, t := range f.taken {
		t.head.Body = io.NopCloser(bytes.NewReader(t.body))
		answer := httptest.NewRecorder()
		ws.ServeHTTP(answer, t.head)
		if answer.Code != http.StatusNoContent && a.Refused == "" {
			a.Refused = fmt.Sprintf("%d %s", answer.Code, answer.Body)
		}
	}
	digest := ws.Table(stream).Digest()
	a.Rows, a.Duplicates, a.IDs = digest.Records, digest.Duplicates, digest.IDs
	return a
}

// serve is the process of a stand-in: it tells its address, serves until its
// stdin ends, and tells what arrived.
func serve(in io.Reader, out io.Writer) error {
	told := bufio.NewReader(in)
	line, err := told.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	var j standInJob
	if err := json.Unmarshal(line, &j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	f := &front{latency: time.Duration(j.Latency) * time.Millisecond}
	server := httptest.NewUnstartedServer(f)
	counter := &counted{Listener: server.Listener}
	server.Listener = counter
	server.StartTLS() // without HTTP/2, which the client in JavaScript does not speak
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(j.Certificate, certificate, 0o600); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, server.URL); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, told)
	server.Close()
	a := f.judge()
	a.Wire = counter.read.Load()
	return json.MarshalWrite(out, a)
}

// counted counts the bytes that its connections read.
type counted struct {
	net.Listener
	read atomic.Int64
}

// Accept implements [net.Listener].
func (l *counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{c, &l.read}, nil
}

type countedConn struct {
	net.Conn
	read *atomic.Int64
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// door is the stand-in's process as its parent sees it.
type door struct {
	address string
	cmd     *exec.Cmd
	stdin   io.Closer
	out     *bufio.Reader
}

func startStandIn(ctx context.Context, j standInJob) (*door, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	told, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, roleStandIn)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	d := &door{cmd: cmd, stdin: stdin, out: bufio.NewReader(stdout)}
	if _, err = stdin.Write(append(told, '\n')); err == nil {
		d.address, err = d.out.ReadString('\n')
	}
	if err != nil {
		_, errEnd := d.end()
		return nil, errors.Join(fmt.Errorf("start the stand-in: %w", err), errEnd)
	}
	d.address = d.address[:len(d.address)-1]
	return d, nil
}

// end ends the stand-in, and returns what arrived.
func (d *door) end() (arrived, error) {
	var a arrived
	_ = d.stdin.Close()
	errRead := json.UnmarshalRead(d.out, &a)
	if err := d.cmd.Wait(); err != nil {
		return a, fmt.Errorf("stand-in: %w", err)
	}
	if errRead != nil {
		return a, fmt.Errorf("the stand-in's last words: %w", errRead)
	}
	return a, nil
}
