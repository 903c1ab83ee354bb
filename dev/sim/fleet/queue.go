package fleet

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// The queue trigger, as host.json of the package sets it; hold is the extension's own.
const (
	batch      = 8
	threshold  = 8
	deliveries = 5
	visibility = 2 * time.Minute
	hold       = 10 * time.Minute
	polling    = 5 * time.Second
)

// queue is the queue service.
type queue struct {
	*play
	mu   sync.Mutex
	list []*message
}

type message struct {
	text     string
	visible  time.Time
	count    int
	receipt  int // of the delivery that may complete it
	finished bool
}

func (q *queue) put(text string, after time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, &message{text: text, visible: time.Now().Add(after)})
}

// take returns up to n messages in an order of the dice, and hides them.
func (q *queue) take(n int) (taken []*message, receipts []int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var ready []*message
	for _, m := range q.list {
		if !m.finished && !m.visible.After(time.Now()) {
			ready = append(ready, m)
		}
	}
	for len(ready) > 0 && len(taken) < n {
		i := 0
		if !q.Calm {
			i = q.roll(len(ready))
		}
		m := ready[i]
		ready = append(ready[:i:i], ready[i+1:]...)
		m.visible = time.Now().Add(hold)
		m.count++
		m.receipt++
		taken, receipts = append(taken, m), append(receipts, m.receipt)
	}
	return taken, receipts
}

// complete ends a delivery, unless the message was delivered again meanwhile.
func (q *queue) complete(m *message, receipt int, succeeded bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case m.receipt != receipt:
	case succeeded:
		m.finished = true
	case m.count >= deliveries:
		m.finished = true
		q.play.mu.Lock()
		q.result.Poisoned++
		q.play.mu.Unlock()
	default:
		m.visible = time.Now().Add(visibility)
	}
}

// listen is the queue trigger of a process, until it is killed.
func (i *instance) listen() {
	var mu sync.Mutex
	working := 0
	for i.ctx.Err() == nil {
		mu.Lock()
		free := working <= threshold
		mu.Unlock()
		var taken []*message
		var receipts []int
		if free {
			taken, receipts = i.queue.take(batch)
		}
		for n, m := range taken {
			mu.Lock()
			working++
			mu.Unlock()
			count := m.count
			i.over.Go(func() {
				code, _ := i.invoke(functionsWork, fmt.Sprintf(`{"Data":{"item":%s},"Metadata":{"DequeueCount":"%d"}}`, strconv.Quote(strconv.Quote(m.text)), count))
				if !i.isDead() {
					i.queue.complete(m, receipts[n], code == http.StatusOK)
				}
				mu.Lock()
				working--
				mu.Unlock()
			})
		}
		wait := polling
		if len(taken) > 0 {
			wait = 100 * time.Millisecond
		}
		i.pause(i.ctx, i.name, wait)
	}
}

const (
	functionsWork  = "/work"
	functionsTimer = "/function"
)

// fire is the timer trigger, and returns the messages that it puts into the queue.
func (i *instance) fire() []string {
	_, body := i.invoke(functionsTimer, "{}")
	var answer struct {
		Outputs struct {
			Work []string `json:"work"`
		} `json:"Outputs"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil
	}
	return answer.Outputs.Work
}

// invoke calls a function as the host does.
func (i *instance) invoke(path, body string) (code int, answer []byte) {
	r := httptest.NewRequestWithContext(i.ctx, http.MethodPost, path, bytes.NewReader([]byte(body)))
	r.Host = "127.0.0.1:7071"
	r.Header.Set("X-Azure-Functions-InvocationId", "inv")
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	w := httptest.NewRecorder()
	i.h.ServeHTTP(w, r)
	return w.Code, w.Body.Bytes()
}
