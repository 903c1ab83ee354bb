// Scale plays FAN_OUT=queue with up to 10,000 tenants on paper: it prints the table of docs/scale.md. It
// knows nothing of the connector but what was measured of it, and of the platform what its documentation
// says; the constants below are the whole model.
//
//	go run ./dev/scale
package main

import (
	"container/heap"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
)

// What the platform does.
const (
	// enqueue is how long the output binding takes for a message, in seconds: it puts one after the other
	// (assumed: a round trip within a region).
	enqueue = 0.005
	// batch and threshold are those of host.json; an instance works on up to their sum.
	batch, threshold = 8, 8
	// mostInstances is maximumInstanceCount, as the template sets it by default.
	mostInstances = 40
	// scaleUp is how long it takes until an instance that the scale controller decided on takes messages, and
	// decideEvery how often it decides, in seconds (assumed).
	scaleUp, decideEvery = 15.0, 10.0
	// Limits that the services state: requests a second to a storage account, and a minute to a data
	// collection rule.
	accountLimit, ruleLimit = 20_000, 12_000
)

// What was measured of the connector, see docs/scale.md.
const (
	tick = 60.0 // seconds
	// pollSpread is the spread of the logarithm of the seconds that a poll takes (assumed).
	pollSpread    = 0.6
	stateRequests = 22   // for each poll, between a quiet and a busy one, with the look after its tick
	ruleRequests  = 2.2  // for each poll
	eachMonth     = 4.40 // USD for a connection, docs/cost.md
)

func main() {
	write(os.Stdout)
}

// write writes the table: for tenants that answer fast, so that a poll takes 2 seconds on average, and
// slowly, 10 seconds.
func write(w io.Writer) {
	fmt.Fprintln(w, "| Tenants | A poll takes | Put into the queue | Instances | Polled each minute | Event to workspace, p50 / p99 | State, requests a second, mean / peak | Rule, requests a minute | USD a month | Limit that is met |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	for _, one := range []struct {
		tenants int
		mean    float64
	}{{10, 2}, {100, 2}, {300, 2}, {1000, 2}, {1000, 10}, {3000, 2}, {3000, 10}, {5000, 2}, {10_000, 2}, {10_000, 10}} {
		n, r := one.tenants, play(one.tenants, one.mean)
		fmt.Fprintf(w, "| %d | %.0f s | %.0f s | %d | %.0f %% | %.0f s / %.0f s | %.0f / %.0f | %.0f | %.0f | %s |\n",
			n, one.mean, math.Ceil(r.put), r.instances, 100*r.polled, r.p50, r.p99, r.mean, r.peak, r.rule, float64(n)*eachMonth, r.limit())
	}
}

// result is what the last ticks of a play came to.
type result struct {
	put              float64 // seconds until the last message of a tick is in the queue
	instances        int
	polled           float64 // share of the messages that led to a poll
	p50, p99         float64 // age of an event at the end of the poll that delivers it, in seconds
	mean, peak, rule float64
}

func (r result) limit() string {
	var met []string
	if r.put > tick/2 {
		met = append(met, "output binding")
	}
	if r.polled < 0.99 {
		met = append(met, "instances of the plan")
	}
	if r.rule > ruleLimit {
		met = append(met, "data collection rule")
	}
	if r.peak > accountLimit {
		met = append(met, "storage account")
	}
	if len(met) == 0 {
		return "–"
	}
	return strings.Join(met, ", ")
}

// event is something that happens at a moment.
type event struct {
	at   float64
	kind int
	who  int
	tick float64
}

const (
	visible = iota // a message comes into the queue
	ended          // a poll of an instance ends
	decide         // the scale controller looks
	joined         // an instance begins
)

type agenda []event

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at < a[j].at }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	old := *a
	last := old[len(old)-1]
	*a = old[:len(old)-1]
	return last
}

// A play takes some ticks, of which the first ones let the number of instances settle. sample is the
// seconds between two events of a tenant.
const ticks, warm, sample = 12, 7, 5.0

// model is a play under way.
type model struct {
	dice     *rand.Rand
	pollMean float64
	todo     agenda
	queue    []event
	work     []int // messages at work, by instance
	coming   int   // instances
	last     []float64
	// What the last ticks came to: messages, polls, ages of events, and requests in each second.
	sent, done int
	ages       []float64
	seconds    map[int]float64
}

// play plays all ticks with so many tenants, whose polls take so many seconds on average.
func play(tenants int, pollMean float64) result {
	m := &model{dice: rand.New(rand.NewPCG(1, uint64(tenants))), pollMean: pollMean, work: []int{0}, last: make([]float64, tenants), seconds: map[int]float64{}}
	for n := range ticks {
		for i := range tenants {
			heap.Push(&m.todo, event{float64(n)*tick + float64(i+1)*enqueue, visible, i, float64(n) * tick})
		}
	}
	for at := 0.0; at < ticks*tick; at += decideEvery {
		heap.Push(&m.todo, event{at: at, kind: decide})
	}
	for m.todo.Len() > 0 {
		m.step(heap.Pop(&m.todo).(event))
	}
	return m.result()
}

// step is one event, after which each instance with room takes a batch.
func (m *model) step(e event) {
	switch e.kind {
	case visible:
		m.queue = append(m.queue, e)
		if e.tick >= warm*tick {
			m.sent++
		}
	case ended:
		m.work[e.who]--
	case decide:
		atWork := 0
		for _, n := range m.work {
			atWork += n
		}
		want := min(mostInstances, (len(m.queue)+atWork+batch-1)/batch)
		for ; len(m.work)+m.coming < want; m.coming++ {
			heap.Push(&m.todo, event{at: e.at + scaleUp, kind: joined})
		}
	case joined:
		m.coming--
		m.work = append(m.work, 0)
	}
	for i := range m.work {
		for n := 0; m.work[i] <= threshold && n < batch && len(m.queue) > 0; {
			next := m.queue[0]
			m.queue = m.queue[1:]
			if e.at-next.tick < 2*tick { // else it is stale
				n++
				m.poll(i, next, e.at)
			}
		}
	}
}

// poll has an instance poll the tenant of a message.
func (m *model) poll(instance int, of event, now float64) {
	m.work[instance]++
	took := m.pollMean * math.Exp(pollSpread*m.dice.NormFloat64()-pollSpread*pollSpread/2)
	heap.Push(&m.todo, event{at: now + took, kind: ended, who: instance})
	if of.tick >= warm*tick {
		m.done++
		for at := m.last[of.who] + m.dice.Float64()*sample; at < now; at += sample {
			m.ages = append(m.ages, now+took-at)
		}
		m.seconds[int(now)] += stateRequests
	}
	m.last[of.who] = now
}

// result is what the last ticks came to.
func (m *model) result() result {
	const end = ticks * tick
	for _, since := range m.last { // what has not arrived
		for at := since; at < end-tick; at += sample {
			m.ages = append(m.ages, end-at)
		}
	}
	r := result{put: float64(len(m.last)) * enqueue, instances: len(m.work), polled: float64(m.done) / float64(m.sent)}
	slices.Sort(m.ages)
	r.p50, r.p99 = m.ages[len(m.ages)/2], m.ages[len(m.ages)*99/100]
	for _, n := range m.seconds {
		r.peak = max(r.peak, n)
	}
	const minutes = ticks - warm
	r.mean, r.rule = float64(m.done)*stateRequests/(minutes*tick), float64(m.done)*ruleRequests/minutes
	return r
}
