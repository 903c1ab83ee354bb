// Command benchsinks sends the same events with three clients of the Azure
// Monitor Logs Ingestion API, side by side, and prints what each took
// (make bench-sinks):
//
//   - internal/sink/logsingestion, driven by a whole run of the pipeline, as in
//     the product;
//   - azlogs of the Azure SDK for Go, one Upload of less than 1 MiB after the other;
//   - @azure/monitor-ingestion of the Azure SDK for JavaScript, one upload of
//     everything with the options that it has by itself.
//
// Each run has two processes: a sender, and the stand-in that it sends to, which
// counts requests and bytes, and afterwards has every body judged by
// dev/sandbox/workspace. A run in which one row is missing, refused or twice
// there is an error and no figure.
//
// In the clock is everything from the first call of the client, which has no
// connection yet, to the last answer. What the client is called with is in memory
// before that: records of bytes for those in Go, parsed objects for JavaScript.
// What the stand-in does with a body comes after the clock.
//
// All three have the same token, speak HTTP/1.1 over TLS, which the JavaScript
// client insists on, and trust the stand-in by an environment variable
// (SSL_CERT_FILE, which Go heeds on Linux; NODE_EXTRA_CA_CERTS).
//
// This is a module of its own, so that what is compared with never weighs on the
// product's dependencies.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/nodetools"
	"github.com/idn-sentinel/idn-sentinel/dev/project"
)

// What a process of this program is for, by its first argument. Without one it
// directs the others.
const (
	roleStandIn = "stand-in"
	roleOurs    = "ours"
	roleAzlogs  = "azlogs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := play(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchsinks:", err)
		os.Exit(1)
	}
}

// play is what a process does.
func play(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	role := ""
	if len(args) > 0 {
		role = args[0]
	}
	switch role {
	case roleStandIn:
		return serve(in, out)
	case roleOurs:
		return send(ctx, in, out, ours)
	case roleAzlogs:
		return send(ctx, in, out, uploads)
	}
	flags := flag.NewFlagSet("benchsinks", flag.ContinueOnError)
	events := flags.Int("events", 100_000, "how many events of about 1 KB")
	runs := flags.Int("runs", 3, "how often each sender runs; the table has the median")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *events < 1 || *runs < 1 || flags.NArg() > 0 {
		return errors.New("use -events N -runs N, both at least 1")
	}
	return compare(ctx, plan{events: *events, runs: *runs, latencies: []time.Duration{0, 150 * time.Millisecond}}, out)
}

// plan is what to measure.
type plan struct {
	events, runs int
	latencies    []time.Duration // of each answer
}

// sender is one of the clients.
type sender struct {
	name    string
	command []string
}

// senders are the three, in the order of the table: ours first.
func senders(node string) ([]sender, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return []sender{
		{"internal/sink/logsingestion", []string{self, roleOurs}},
		{"azlogs v1.1.0", []string{self, roleAzlogs}},
		{"@azure/monitor-ingestion 1.2.0", []string{"node", filepath.Join(node, "monitor-ingestion.mjs")}},
	}, nil
}

// compare prints the table of what measureAll measures.
func compare(ctx context.Context, p plan, out io.Writer) error {
	root, err := project.Root()
	if err != nil {
		return err
	}
	node := filepath.Join(root, "dev", "benchsinks")
	if err := nodetools.InstallIn(ctx, node, "@azure/monitor-ingestion"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "benchsinks")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	data, err := writeData(filepath.Join(dir, "events.ndjson"), p.events)
	if err != nil {
		return err
	}
	results, err := measureAll(ctx, p, node, dir, data)
	if err != nil {
		return err
	}
	return printTable(out, p.runs, data, results)
}

// measureAll takes turns, so that what else the machine does meets all senders
// alike. It returns the median run of each, by latency and then as in senders.
func measureAll(ctx context.Context, p plan, node, dir string, data dataset) ([]figures, error) {
	all, err := senders(node)
	if err != nil {
		return nil, err
	}
	var medians []figures
	for _, latency := range p.latencies {
		runs := make([][]figures, len(all))
		for range p.runs {
			for i, s := range all {
				f, err := measure(ctx, s, latency, dir, data)
				if err != nil {
					return nil, fmt.Errorf("%s with answers after %v: %w", s.name, latency, err)
				}
				runs[i] = append(runs[i], f)
			}
		}
		for _, of := range runs {
			medians = append(medians, median(of))
		}
	}
	return medians, nil
}

// environment is that of a child: this process's own, without proxies, and with
// trust in the stand-in.
func environment(certificate string) []string {
	var env []string
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			env = append(env, v)
		}
	}
	return append(env, "SSL_CERT_FILE="+certificate, "NODE_EXTRA_CA_CERTS="+certificate)
}
