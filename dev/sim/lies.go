package sim

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// answer is what something in between says in the place of a service.
type answer struct {
	status            int
	contentType, body string
}

const blockPage = "<!DOCTYPE html><html><head><title>Request blocked</title></head><body>The requested URL was rejected. Support ID: 4711</body></html>"

// pages are answers of something that is not the workspace. That none of them is an
// acknowledgement can be told from any one of them.
func pages() []answer {
	return []answer{
		{http.StatusOK, "text/html", blockPage},
		{http.StatusOK, "text/plain", "Access denied by policy"},
		{http.StatusOK, "application/json", `{"status":"denied"}`},
		{http.StatusForbidden, "text/html", blockPage},
		{http.StatusProxyAuthRequired, "text/html", blockPage},
	}
}

// liar draws what answers a request in the place of the service; nil if the service does.
func (h *httpDoor) liar(sink bool, guest *guest, name string, n int64) http.Handler {
	w := h.w
	ph := w.phase()
	if ph == nil {
		return nil
	}
	all := pages()
	if !sink {
		kind := TenantForeign
		if guest != nil {
			kind = guest.foreign
		}
		if !w.hits(kind, ph, name, n) {
			return nil
		}
		return all[[]int{0, 3}[w.dice.pick(name+"/page", n, 2)]]
	}
	switch {
	case ph.outage == SinkForeign:
		// The same for every request, also for one that asks whether it is the service's.
		neutral := answer{http.StatusOK, "application/json", `{"status":"ok"}`}
		return append(all, neutral)[ph.way%(len(all)+1)]
	case ph.outage == SinkRefusal && ph.way%3 == 0:
		w.mu.Lock()
		w.refusing = ph
		w.mu.Unlock()
		return answer{http.StatusRequestEntityTooLarge, "text/html", blockPage}
	case w.hits(SinkEarly, ph, name, n):
		return early{status: h.acknowledgement(), read: w.dice.chance(name+"/half", n, 0.5)}
	case w.hits(SinkPage, ph, name, n):
		return all[w.dice.pick(name+"/page", n, len(all))]
	}
	return nil
}

// acknowledgement is the status that the API has for it.
func (h *httpDoor) acknowledgement() int {
	if h.w.o.Rule {
		return http.StatusNoContent
	}
	return http.StatusOK
}

// ServeHTTP implements [http.Handler].
func (a answer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	rw.Header().Set("Content-Type", a.contentType)
	rw.WriteHeader(a.status)
	_, _ = io.WriteString(rw, a.body)
}

// early acknowledges what it has not read to its end.
type early struct {
	status int
	read   bool // half of it
}

// ServeHTTP implements [http.Handler].
func (e early) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if e.read {
		_, _ = io.CopyN(io.Discard, r.Body, max(r.ContentLength/2, 1))
	}
	rw.WriteHeader(e.status)
}

// doubt is what an instance makes of acknowledgements once one of them came early: those of smaller
// uploads prove nothing, until one as large was taken whole.
type doubt struct {
	mu    sync.Mutex
	size  int64 // 0: none
	ended time.Time
}

// measurable is how large an upload must be, so that it shows by itself whether it was taken whole.
const measurable = 256 << 10

func (d *doubt) arises(size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size = max(d.size, size, measurable)
}

// covers reports whether the acknowledgement of an upload of that size may be doubted, and ends the doubt
// if it is large enough. At that very moment others may still be doubted.
func (d *doubt) covers(size int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.size > 0 && size >= d.size {
		d.size, d.ended = 0, time.Now()
	}
	return d.size > 0 || d.ended.Equal(time.Now())
}

// refuses is what the workspace does not take.
func (w *world) refuses(raw []byte) bool {
	if ph := w.phase(); ph != nil && ph.outage == SinkRefusal {
		w.refusing = ph
		return true
	}
	return isPoison(raw) && !w.cured
}

// capped is a request for a page that holds no more than most rows.
func capped(r *http.Request, most int) *http.Request {
	query := r.URL.Query()
	if n, err := strconv.Atoi(query.Get("limit")); err != nil || n <= most {
		return r
	}
	query.Set("limit", strconv.Itoa(most))
	other := r.Clone(r.Context())
	other.URL.RawQuery = query.Encode()
	return other
}

// isSearch says whether a request lists events of some time. Its body stays readable.
func isSearch(r *http.Request) bool {
	if r.URL.Path != "/search/v1" && !strings.HasSuffix(r.URL.Path, "/search") {
		return false
	}
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return err == nil && !bytes.Contains(body, []byte(`"EXISTS"`))
}

// listWriter holds back a list, to add a row to it that sorts after all others.
type listWriter struct {
	http.ResponseWriter
	limit  int
	offset string
	status int
	body   bytes.Buffer
}

func (l *listWriter) WriteHeader(status int) { l.status = status }

func (l *listWriter) Write(b []byte) (int, error) {
	if l.status == 0 {
		l.status = http.StatusOK
	}
	return l.body.Write(b)
}

// last says whether the list is the end of what the search finds.
func (l *listWriter) last(list []byte) bool {
	var rows []jsontext.Value
	// A list that can't be read has a fault of its own.
	return json.Unmarshal(list, &rows, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) == nil &&
		len(rows) < l.limit && (len(rows) > 0 || l.offset == "" || l.offset == "0")
}

// finish sends the list, at the end of it with one row more.
func (l *listWriter) finish(row []byte) {
	body := l.body.Bytes()
	if rest, ok := bytes.CutSuffix(body, []byte("]")); ok && l.status == http.StatusOK && l.last(body) {
		more := bytes.Clone(rest)
		if len(rest) > 1 {
			more = append(more, ',')
		}
		body = append(append(more, row...), ']')
		l.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	if l.status != 0 {
		l.ResponseWriter.WriteHeader(l.status)
	}
	_, _ = l.ResponseWriter.Write(body)
}
