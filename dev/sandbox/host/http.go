package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// maxRequest is the host's limit for the body of a request.
const maxRequest = 104_857_600

// prefix is the route prefix that host.json leaves as it is.
const prefix = "api"

// httpFunction is a function with an HTTP trigger.
type httpFunction struct {
	name    string
	methods []string
	route   string // without parameters
	open    bool   // a catch-all follows the route
}

// settings is what host.json says about HTTP functions.
type settings struct {
	forwards, proxies bool
}

// ServeHTTP is the front end of the function app: it finds the HTTP function that a request is for
// by the folders in Config.Dir, and passes it to the process as host.json says.
//
// With enableProxyingHttpRequest the handler gets the original method, path, query, headers and
// bytes, streamed. With enableForwardingHttpRequest alone it gets a copy, whose body is there only
// if the request had a Content-Length greater than 0. With neither the real host sends an envelope,
// which is not played here.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fn, err := h.functionFor(r)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	case fn == nil:
		http.NotFound(w, r)
		return
	case len(fn.methods) > 0 && !slices.Contains(fn.methods, strings.ToLower(r.Method)):
		http.NotFound(w, r) // what the real one answers
		return
	}
	mode, err := readSettings(h.cfg.Dir)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), h.cfg.FunctionTimeout, errTimeout)
	defer cancel()
	p, err := h.ready(ctx)
	if err != nil {
		http.Error(w, "function host is not running", http.StatusServiceUnavailable)
		return
	}
	target, err := url.Parse(p.url)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	switch {
	case mode.proxies:
		h.proxy(target).ServeHTTP(w, r.WithContext(ctx))
	case mode.forwards:
		h.forward(ctx, w, r, target)
	default:
		http.Error(w, "host.json neither proxies nor forwards: the envelope is not played by this stand-in", http.StatusNotImplemented)
	}
}

// stamp adds what the platform's front end and the host add, and overrides what only they may say.
func stamp(out, in *http.Request) {
	client, _, _ := strings.Cut(in.RemoteAddr, ":")
	out.Header.Set("X-Forwarded-For", client)
	out.Header.Set("X-Forwarded-Proto", "https")
	out.Header.Set("X-Arr-Ssl", "2048|256|CN=stand-in")
	out.Header.Set("X-Azure-Functions-InvocationId", guid())
	out.Header.Set("X-Azure-Functions-HostVersion", "4.1000.0")
}

func (h *Host) proxy(target *url.URL) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport: h.client.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the forwarder of the real host leaves it as it is
			stamp(r.Out, r.In)
		},
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}
}

// forward sends a buffered copy.
func (h *Host) forward(ctx context.Context, w http.ResponseWriter, r *http.Request, target *url.URL) {
	var body []byte
	if r.ContentLength > 0 { // else the real host leaves the body out
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			http.Error(w, "request body too large or broken", http.StatusRequestEntityTooLarge)
			return
		}
	}
	to := *r.URL
	to.Scheme, to.Host = target.Scheme, target.Host
	req, err := http.NewRequestWithContext(ctx, r.Method, to.String(), bytes.NewReader(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	req.Header = r.Header.Clone()
	req.Header.Del("Connection")
	stamp(req, r)
	resp, err := h.client.Do(req)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// functionFor returns the HTTP function whose route a request matches, nil if there is none.
func (h *Host) functionFor(r *http.Request) (*httpFunction, error) {
	files, err := filepath.Glob(filepath.Join(h.cfg.Dir, "*", "function.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		fn, err := readFunction(file)
		if err != nil {
			return nil, err
		}
		if fn == nil {
			continue
		}
		at := "/" + prefix + "/" + fn.route
		if strings.EqualFold(r.URL.Path, at) || fn.open && len(r.URL.Path) > len(at) && strings.EqualFold(r.URL.Path[:len(at)+1], at+"/") {
			return fn, nil
		}
	}
	return nil, nil
}

// readFunction reads a function.json; nil if its trigger is another one. Only a function with
// exactly an HTTP trigger and an HTTP output is passed on as it is.
func readFunction(file string) (*httpFunction, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var of struct {
		Bindings []struct {
			Type    string   `json:"type"`
			Methods []string `json:"methods"`
			Route   string   `json:"route"`
		} `json:"bindings"`
	}
	if err := json.Unmarshal(text, &of); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	var fn *httpFunction
	out := false
	for _, b := range of.Bindings {
		switch b.Type {
		case "httpTrigger":
			fn = &httpFunction{name: filepath.Base(filepath.Dir(file)), methods: b.Methods, route: b.Route}
		case "http":
			out = true
		}
	}
	if fn == nil {
		return nil, nil
	}
	if !out || len(of.Bindings) != 2 {
		return nil, fmt.Errorf("read %s: with other bindings the host sends an envelope", file)
	}
	if fn.route == "" {
		fn.route = fn.name
	}
	fn.route, _, fn.open = strings.Cut(fn.route, "/{*")
	if strings.Contains(fn.route, "{") {
		return nil, fmt.Errorf("read %s: parameters in a route are not played by this stand-in", file)
	}
	return fn, nil
}

func readSettings(dir string) (settings, error) {
	text, err := os.ReadFile(filepath.Join(dir, "host.json"))
	if errors.Is(err, os.ErrNotExist) {
		return settings{}, nil
	}
	if err != nil {
		return settings{}, err
	}
	var of struct {
		CustomHandler struct {
			Forwards bool `json:"enableForwardingHttpRequest"`
			Proxies  bool `json:"enableProxyingHttpRequest"`
		} `json:"customHandler"`
	}
	if err := json.Unmarshal(text, &of); err != nil {
		return settings{}, fmt.Errorf("read host.json: %w", err)
	}
	return settings{forwards: of.CustomHandler.Forwards, proxies: of.CustomHandler.Proxies}, nil
}
