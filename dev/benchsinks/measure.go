package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// stream is where everything goes.
const stream = "SailPointIDN_Events"

// job is what a sender is told on its stdin, as JSON.
type job struct {
	Endpoint string `json:"endpoint"`
	Token    string `json:"token"`
	Rule     string `json:"rule"`
	Stream   string `json:"stream"` // without "Custom-"
	File     string `json:"file"`
}

// sent is what a sender tells on its stdout, as JSON.
type sent struct {
	Seconds float64 `json:"seconds"` // of sending
	CPU     float64 `json:"cpu"`     // seconds of it, user and system, while sending
	Held    int64   `json:"held"`    // bytes of memory, the peak until sending began
}

// figures are what one run took.
type figures struct {
	sender  string
	latency time.Duration
	sent
	arrived
	process float64 // CPU seconds of the whole process, with its start and the reading
	peak    int64   // bytes of memory
}

// measure runs one sender against a stand-in of its own.
func measure(ctx context.Context, s sender, latency time.Duration, dir string, data dataset) (figures, error) {
	f := figures{sender: s.name, latency: latency}
	certificate := filepath.Join(dir, "certificate.pem")
	door, err := startStandIn(ctx, standInJob{Latency: latency.Milliseconds(), Certificate: certificate})
	if err != nil {
		return f, err
	}
	state, errSend := sendWith(ctx, s, certificate, job{Endpoint: door.address, Token: token(), Rule: workspace.DefaultRule, Stream: stream, File: data.file}, &f.sent)
	f.arrived, err = door.end()
	if err := errors.Join(errSend, err); err != nil {
		return f, err
	}
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return f, errors.New("this system does not say what a process has used")
	}
	f.process = (state.UserTime() + state.SystemTime()).Seconds()
	f.peak = memory(usage)
	return f, f.check(data)
}

// sendWith runs the sender's process to its end.
func sendWith(ctx context.Context, s sender, certificate string, j job, report *sent) (*os.ProcessState, error) {
	told, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
	cmd.Env = environment(certificate)
	cmd.Stdin = bytes.NewReader(told)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(complaint.String()))
	}
	if err := json.Unmarshal(out, report); err != nil {
		return nil, fmt.Errorf("the sender says %q: %w", out, err)
	}
	return cmd.ProcessState, nil
}

// token is what all three sign in with.
func token() string {
	t, _ := workspace.Credential{}.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://monitor.azure.com/.default"}})
	return t.Token
}

// send is the process of a sender that is in Go: it reads, and then the clock runs.
func send(ctx context.Context, in io.Reader, out io.Writer, client func(context.Context, job, []pipeline.Record) error) error {
	var j job
	if err := json.UnmarshalRead(in, &j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	records, err := readData(j.File)
	if err != nil {
		return err
	}
	runtime.GC() // what reading has left behind is none of the client's
	before, err := usage()
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := client(ctx, j, records); err != nil {
		return err
	}
	report := sent{Seconds: time.Since(begin).Seconds(), Held: memory(before)}
	after, err := usage()
	if err != nil {
		return err
	}
	report.CPU = time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()).Seconds()
	return json.MarshalWrite(out, report)
}

func usage() (*syscall.Rusage, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return &u, err
}

// memory is the most that a process had in memory so far, in bytes.
func memory(u *syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" {
		return u.Maxrss
	}
	return u.Maxrss << 10
}

// median is the run with the median time; of an even number the slower of the two.
func median(runs []figures) figures {
	slices.SortFunc(runs, func(a, b figures) int { return cmp.Compare(a.Seconds, b.Seconds) })
	return runs[len(runs)/2]
}
