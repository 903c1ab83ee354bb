package transport_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

const uploadSize = 24 << 20 // more than the buffers of a connection

func upload(t *testing.T, address string) (status int, whole bool) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("x"), uploadSize)
	req, sent := transport.NewUpload(req, uploadSize, func() io.Reader { return bytes.NewReader(body) })
	resp, err := transport.NewClient(transport.Config{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	whole = sent.Whole()
	transport.Discard(resp)
	return resp.StatusCode, whole
}

func TestUpload(t *testing.T) {
	handlers := map[string]struct {
		handler http.HandlerFunc
		whole   bool
	}{
		"reads all":     {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, true},
		"reads nothing": {func(http.ResponseWriter, *http.Request) {}, false},
		"reads a part":  {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.CopyN(io.Discard, r.Body, 1<<20) }, false},
		"answers, then reads on": {func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			_ = c.EnableFullDuplex()
			w.WriteHeader(http.StatusOK)
			_ = c.Flush()
			_, _ = io.Copy(io.Discard, r.Body)
		}, false},
		"a hint first, then reads all": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</x>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusOK)
		}, true},
	}
	for name, tc := range handlers {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tc.handler)
			defer server.Close()
			if status, whole := upload(t, server.URL); status != http.StatusOK || whole != tc.whole {
				t.Errorf("status %d, whole %v, want %v", status, whole, tc.whole)
			}
		})
	}
}

// Once an upload has ended its memory may be used again, although the service goes on
// reading a body that it has answered before.
func TestUploadEnds(t *testing.T) {
	goOn, arrived := make(chan struct{}), make(chan []byte, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		_ = c.Flush()
		<-goOn
		all, _ := io.ReadAll(r.Body)
		arrived <- all
	}))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("x"), uploadSize)
	req, sent := transport.NewUpload(req, uploadSize, func() io.Reader { return bytes.NewReader(body) })
	resp, err := transport.NewClient(transport.Config{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	sent.End()
	for i := range body {
		body[i] = '!'
	}
	close(goOn)
	if all := <-arrived; len(all) == uploadSize || bytes.IndexByte(all, '!') >= 0 {
		t.Errorf("%d bytes arrived, of them %d of what the memory held next", len(all), bytes.Count(all, []byte("!")))
	}
}

// A kept connection that the service has closed meanwhile breaks before anything
// was seen; the transport sends again from the first byte, which counts anew.
func TestUploadIsSentAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerOnce(c)
		}
	}()
	client := transport.NewClient(transport.Config{})
	for i := range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req, sent := transport.NewUpload(req, 5, func() io.Reader { return strings.NewReader("hello") })
		resp, err := client.Do(req)
		if err != nil {
			if i == 0 {
				t.Fatal(err)
			}
			continue // the connection broke after the first byte was written: then it is not sent again
		}
		if !sent.Whole() {
			t.Errorf("request %d: not whole", i)
		}
		transport.Discard(resp)
	}
}

// answerOnce answers a request and hangs up without having said so.
func answerOnce(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	n, _ := io.Copy(io.Discard, req.Body)
	fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: "+strconv.Itoa(len(strconv.FormatInt(n, 10)))+"\r\n\r\n"+strconv.FormatInt(n, 10))
}
