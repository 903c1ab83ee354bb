package transport

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"sync/atomic"
)

// Upload is the body of a request that records how much of it was sent when the answer began. A
// service that stores what it receives answers after the last byte; an earlier answer comes from
// something else, whatever it says.
//
// Bytes count once the connection has taken them. So a body smaller than the buffers in between
// (some hundred KB) always counts as whole.
type Upload struct {
	size   int64
	open   func() io.Reader
	latest atomic.Pointer[countedReader]
	// atAnswer is how many bytes were taken when the first byte of the answer arrived, or -1.
	atAnswer atomic.Int64
	// interim says that this byte belonged to a 1xx answer, which may arrive at any time.
	interim atomic.Bool

	reading sync.Mutex // held while bytes are copied out of the body
	ended   bool
}

// errEnded stops a connection that is still sending.
var errEnded = errors.New("the request has ended")

// End ensures that nothing more is read from the body. The client may still be sending it long
// after the answer, or on an abandoned connection: without End the body's memory must not be
// reused.
func (u *Upload) End() {
	u.reading.Lock()
	defer u.reading.Unlock()
	u.ended = true
}

// NewUpload gives req a body of size bytes and returns the request to send. open starts at the
// first byte; it is called again when a connection breaks before the service has seen anything.
func NewUpload(req *http.Request, size int64, open func() io.Reader) (*http.Request, *Upload) {
	u := &Upload{size: size, open: open}
	u.atAnswer.Store(-1)
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotFirstResponseByte: func() { u.atAnswer.Store(u.taken()) },
		Got1xxResponse:       func(int, textproto.MIMEHeader) error { u.interim.Store(true); return nil },
	}))
	req.ContentLength = size
	req.Body = u.reader()
	req.GetBody = func() (io.ReadCloser, error) { return u.reader(), nil }
	return req, u
}

// Whole reports whether the answer came after all of the body. Call it as soon as there is an
// answer.
func (u *Upload) Whole() bool {
	at := u.atAnswer.Load()
	if at < 0 || u.interim.Load() {
		at = u.taken()
	}
	return at >= u.size
}

func (u *Upload) taken() int64 { return u.latest.Load().n.Load() }

func (u *Upload) reader() io.ReadCloser {
	r := &countedReader{Reader: u.open(), upload: u}
	u.latest.Store(r)
	return r
}

type countedReader struct {
	io.Reader
	upload *Upload
	n      atomic.Int64
}

// Read implements [io.Reader].
func (r *countedReader) Read(p []byte) (int, error) {
	r.upload.reading.Lock()
	defer r.upload.reading.Unlock()
	if r.upload.ended {
		return 0, errEnded
	}
	n, err := r.Reader.Read(p)
	r.n.Add(int64(n))
	return n, err
}

// Close implements [io.Closer].
func (r *countedReader) Close() error { return nil }
