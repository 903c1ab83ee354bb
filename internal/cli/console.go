package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// redrawEvery is how often the progress line is redrawn.
const redrawEvery = 150 * time.Millisecond

// console is stderr: lines of text and, on a terminal, a line below them that shows the
// progress of a run. Several goroutines may write lines.
type console struct {
	out   io.Writer
	in    io.Reader  // answers questions; nil if there is no one to ask
	width func() int // nil if out is not a terminal
	// columns is the same for stdout.
	columns func() int
	// short returns a short name of a report's stream; nil uses the label.
	short func(pipeline.Report) string
	// text, if set, is the progress line instead of that of the streams.
	text func() string

	mu      sync.Mutex
	bar     *progressbar.ProgressBar // nil without a progress line
	begin   time.Time
	streams []standing // in order of their first reports
}

// standing is the progress of one stream.
type standing struct {
	pipeline.Report
	after time.Duration // since the start
}

func newConsole(p Process) *console {
	return &console{out: p.Err, in: p.In, width: p.Width, columns: p.OutWidth}
}

// Write writes whole lines above the progress line.
func (c *console) Write(lines []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bar != nil {
		_ = c.bar.Clear() // it is soon redrawn
	}
	return c.out.Write(lines)
}

// say writes one line.
func (c *console) say(format string, args ...any) { fmt.Fprintf(c, format+"\n", args...) }

// fit breaks a text for stdout between words if that is a terminal, as [wrapped] does.
func (c *console) fit(text string, used, indent int) string {
	if c.columns == nil {
		return text
	}
	return wrapped(text, c.columns(), used, indent)
}

// stopping says that ctx has ended, as soon as it does. The returned function ends that, and waits
// for what is being said.
func (c *console) stopping(ctx context.Context) (end func()) {
	said := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(said)
		c.say("stopping: work in progress is finished and recorded; press Ctrl-C again to end at once")
	})
	return func() {
		if !stop() {
			<-said
		}
	}
}

// confirm asks whether to do something, and returns nil for yes. declined is the error for no.
func (c *console) confirm(action, declined string) error {
	if c.in == nil {
		return &failure{statusUnusable, "stdin is not a terminal, so there is no one to confirm: " + action, "pass --yes to do it without confirmation"}
	}
	fmt.Fprintf(c, "%s? [y/N] ", action)
	answer, _ := bufio.NewReader(c.in).ReadString('\n') // the end of the input means no
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return &failure{statusFailed, declined, ""}
	}
	return nil
}

// progress records the progress of a stream.
func (c *console) progress(r pipeline.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := standing{r, time.Since(c.begin)}
	i := slices.IndexFunc(c.streams, func(old standing) bool { return old.Connection == r.Connection && old.Stream == r.Stream })
	if i < 0 {
		c.streams = append(c.streams, now)
		return
	}
	c.streams[i] = now
}

// show draws the progress line until the returned function removes it. Without a terminal
// both do nothing.
func (c *console) show() (remove func()) {
	if c.width == nil {
		return func() {}
	}
	c.mu.Lock()
	c.begin = time.Now()
	c.bar = progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(c.out),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionSetSpinnerChangeInterval(0), // it moves only when drawn
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionUseANSICodes(true),
	)
	c.draw()
	c.mu.Unlock()

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(redrawEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				c.mu.Lock()
				c.draw()
				c.mu.Unlock()
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		c.mu.Lock()
		defer c.mu.Unlock()
		_ = c.bar.Clear()
		c.bar = nil
	}
}

// plainEvery is how often progress is printed if there is no terminal.
const plainEvery = 15 * time.Second

// follow shows a progress line until the returned function removes it. Without a terminal it prints
// a line from time to time, if it has changed.
func (c *console) follow(line func() string) (remove func()) {
	if c.width != nil {
		c.mu.Lock()
		c.text = line
		c.mu.Unlock()
		end := c.show()
		return func() {
			end()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.text = nil
		}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(plainEvery)
		defer tick.Stop()
		for last := ""; ; {
			select {
			case <-stop:
				return
			case <-tick.C:
				if text := line(); text != last {
					c.say("%s", text)
					last = text
				}
			}
		}
	}()
	return func() { close(stop); <-stopped }
}

// draw draws the line, cut to the width of the terminal, because a wrapped line can't be
// removed.
func (c *console) draw() {
	const around = 5 // the spinner and the blanks
	text := []rune(c.line())
	if most := max(c.width()-around, 10); len(text) > most {
		text = append(text[:most-1], '…')
	}
	c.bar.Describe(string(text))
}

// line shows, for each stream, the records sent, the rate, and the lag.
func (c *console) line() string {
	if c.text != nil {
		return c.text()
	}
	if len(c.streams) == 0 {
		return "reading"
	}
	texts := make([]string, len(c.streams))
	for i, s := range c.streams {
		texts[i] = fmt.Sprintf("%s %d sent", c.name(s.Report), s.Sent)
		if s.Sent > 0 && s.after >= time.Second { // earlier, the rate means little
			texts[i] += fmt.Sprintf(", %.0f/s", float64(s.Sent)/s.after.Seconds())
		}
		if s.LagSeconds >= 1 {
			texts[i] += ", " + lag(s.LagSeconds) + " lag"
		}
	}
	return strings.Join(texts, " · ")
}

// name returns the short name of a report's stream.
func (c *console) name(r pipeline.Report) string {
	if c.short == nil {
		return label(r)
	}
	return c.short(r)
}

// label returns the label of a report's stream.
func label(r pipeline.Report) string { return app.Label(r.Connection, r.Stream) }

// lag formats seconds for people: 45s, 12m, 3h20m, 5d4h. "-" means none.
func lag(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	switch {
	case d <= 0:
		return "-"
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 2*day:
		return parts(d, time.Hour, "h", time.Minute, "m")
	}
	return parts(d, day, "d", time.Hour, "h")
}

// parts formats d in two units, or in one if there is no remainder.
func parts(d, unit time.Duration, name string, part time.Duration, partName string) string {
	text := fmt.Sprintf("%d%s", d/unit, name)
	if rest := d % unit / part; rest > 0 {
		text += fmt.Sprintf("%d%s", rest, partName)
	}
	return text
}
