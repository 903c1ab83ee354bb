package app_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// noProxies makes the environment one without proxies, whatever the machine has.
func noProxies(t *testing.T) {
	t.Helper()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// accept handles each connection to the address that it returns, and closes it.
func accept(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	ln := listenLocal(t)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	return ln.Addr().String()
}

// speaks accepts connections, says something on each and hangs up.
func speaks(t *testing.T, text string) string {
	return accept(t, func(conn net.Conn) {
		// What the client says first is read, so that it gets no reset.
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, text)
	})
}

// mute accepts connections and says nothing.
func mute(t *testing.T) string {
	return accept(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
}

// socks gives these answers, one to each message, and hangs up.
func socks(t *testing.T, answers ...string) string {
	return accept(t, func(conn net.Conn) {
		for _, answer := range answers {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, answer)
		}
		_, _ = io.Copy(io.Discard, conn)
	})
}

// oldTLS serves nothing newer than TLS 1.0.
func oldTLS(t *testing.T) string {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10} //nolint:gosec // the fault
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// page serves the same answer to everything.
func page(t *testing.T, status int, kind, body string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = nil
		if kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// mirror answers everything with a page that repeats the request in several encodings.
func mirror(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusForbidden)
		for _, sent := range []string{r.Header.Get("Authorization"), form.Get("client_secret")} {
			if sent == "" {
				continue
			}
			fmt.Fprintf(w, "<title>%s %s %s %x</title>", sent, base64.StdEncoding.EncodeToString([]byte("x"+sent)), url.QueryEscape(sent), sent)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func redirect(t *testing.T, to string) string {
	s := httptest.NewServer(http.RedirectHandler(to, http.StatusFound))
	t.Cleanup(s.Close)
	return s.URL
}

// connectProxy answers CONNECT with a status, and opens the tunnel to one address.
func connectProxy(t *testing.T, status int, to string) string {
	return accept(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		req, err := http.ReadRequest(reader)
		if err != nil || req.Method != http.MethodConnect {
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
			return
		}
		fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\n\r\n", status, http.StatusText(status))
		if status != http.StatusOK {
			return
		}
		behind, err := net.Dial("tcp4", to)
		if err != nil {
			return
		}
		defer behind.Close()
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(behind, reader) })
		_, _ = io.Copy(conn, behind)
		_ = conn.Close()
		both.Wait()
	})
}

// certificate is what a server shows; by default it is right but for its authority.
type certificate struct {
	issuer string
	names  []string
	ended  bool
}

// secure serves TLS with that certificate.
func secure(t *testing.T, c certificate) string {
	t.Helper()
	if c.issuer == "" {
		c.issuer = "An authority"
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	authorityKey, own := key(), key()
	begin, end := time.Now().Add(-48*time.Hour), time.Now().Add(24*time.Hour)
	if c.ended {
		end = time.Now().Add(-24 * time.Hour)
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: c.issuer}, NotBefore: begin, NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: begin, NotAfter: end, DNSNames: c.names}
	if c.names == nil {
		leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		leaf.DNSNames = []string{"*.api.identitynow.com", "*.ods.opinsights.azure.com", "*.westeurope-1.ingest.monitor.azure.com", "api.loganalytics.io", "*.blob.core.windows.net", "*.table.core.windows.net", "*.vault.azure.net", "*.okta.com", "*.queue.core.windows.net", "login.microsoftonline.com"}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, &own.PublicKey, authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: own}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// nameServer makes every name one that this code answers.
func nameServer(t *testing.T, code dnsmessage.RCode) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			m.Response, m.RCode, m.Additionals = true, code, nil
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	address := conn.LocalAddr().String()
	nameServers.Store(&address)
	t.Cleanup(func() { nameServers.Store(nil); _ = conn.Close() })
}

// nameServers is the address of the name server that the process asks, nil for those of
// the machine.
var nameServers atomic.Pointer[string]

// TestMain replaces the resolver before anything can use it; a test that did so would race
// with what earlier ones have left dialling.
func TestMain(m *testing.M) {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if own := nameServers.Load(); own != nil {
			network, address = "udp4", *own
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	os.Exit(m.Run())
}
