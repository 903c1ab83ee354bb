package main

import (
	"bytes"
	"fmt"
	"io"
	"text/tabwriter"
)

const legend = `
answers     how long after the end of a request
seconds     from the first call of the client to the last answer; the events are in memory before
MB on wire  what the stand-in read from its connections: bodies, headers, TLS
CPU s       user and system, while sending; then of the whole process, start and reading included
peak MiB    resident memory of the process; then the peak until sending began, with the events read

`

// printTable prints the results, of which those of one latency stand together,
// ours first.
func printTable(out io.Writer, runs int, data dataset, results []figures) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%d events, %.1f MB of JSON; of %d runs each the one with the median time\n\n", data.events, megabytes(data.bytes), runs)
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "answers\tsender\trecords/s\tseconds\trequests\tMB on wire\tCPU s\tof process\tpeak MiB\tat start\trows\t")
	for _, f := range results {
		fmt.Fprintf(w, "%v\t%s\t%.0f\t%.2f\t%d\t%.1f\t%.2f\t%.2f\t%.0f\t%.0f\t%d\t\n", f.latency, f.sender, rate(f), f.Seconds, f.Requests,
			megabytes(f.Wire), f.CPU, f.process, mebibytes(f.peak), mebibytes(f.Held), f.Rows)
	}
	_ = w.Flush() // into memory
	text.WriteString(legend)
	var first figures
	for i, f := range results {
		if i == 0 || f.latency != first.latency {
			first = f
			continue
		}
		fmt.Fprintf(&text, "answers after %v: ours sends %.2f times the records a second of %s\n", f.latency, rate(first)/rate(f), f.sender)
	}
	_, err := out.Write(text.Bytes())
	return err
}

func rate(f figures) float64 { return float64(f.Rows) / f.Seconds }

func megabytes(n int64) float64 { return float64(n) / 1e6 }

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
