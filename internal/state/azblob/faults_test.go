package azblob_test

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the service's checksum
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	sdk "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/azblob"
)

// quick makes the SDK's retries immediate.
func quick(cfg azblob.Config, do transport) azblob.Config {
	cfg.ClientOptions.Retry.RetryDelay = time.Nanosecond // the SDK takes none at all for the longest
	if do != nil {
		cfg.ClientOptions.Transport = do
	}
	return cfg
}

var errBroke = errors.New("connection reset by peer")

// loseAnswer carries out every write, and hides the first answer to one.
func loseAnswer(then func()) transport {
	lost := false
	return func(req *http.Request) (*http.Response, error) {
		resp, err := http.DefaultClient.Do(req)
		if err != nil || lost || req.Method != http.MethodPut || resp.StatusCode != http.StatusCreated || req.URL.Query().Has("restype") {
			return resp, err
		}
		lost = true
		resp.Body.Close()
		if then != nil {
			then()
		}
		return nil, errBroke
	}
}

// TestAnswerIsLost: a conditional write that took effect meets itself when the SDK repeats it.
func TestAnswerIsLost(t *testing.T) {
	account := withKey(plain)
	other := open(t, account("ambiguous"))
	put := func(store state.Store, key, data string, prev state.ETag) state.ETag {
		t.Helper()
		etag, err := store.Put(t.Context(), key, []byte(data), prev)
		if err != nil {
			t.Fatalf("Put: %v", err)
		}
		return etag
	}
	for name, create := range map[string]bool{"create": true, "replace": false} {
		t.Run(name, func(t *testing.T) {
			key, prev := "t/"+name, state.Absent
			if !create {
				prev = put(other, key, "old", state.Absent)
			}
			store := open(t, quick(account("ambiguous"), loseAnswer(nil)))
			etag := put(store, key, "new", prev)
			put(other, key, "next", etag) // the version returned is the one that is there
		})
		t.Run(name+", and another writer is next", func(t *testing.T) {
			key, prev := "t/overtaken-"+name, state.Absent
			if !create {
				prev = put(other, key, "old", state.Absent)
			}
			overtake := func() { put(other, key, "other's", state.Any) }
			store := open(t, quick(account("ambiguous"), loseAnswer(overtake)))
			if _, err := store.Put(t.Context(), key, []byte("new"), prev); !errors.Is(err, state.ErrConflict) {
				t.Errorf("Put: %v, want ErrConflict", err)
			}
		})
	}
	t.Run("nobody says what is there", func(t *testing.T) {
		lose := loseAnswer(nil)
		store := open(t, quick(account("ambiguous"), func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodGet {
				return nil, errBroke
			}
			return lose(req)
		}))
		if _, err := store.Put(t.Context(), "t/unknown", []byte("new"), state.Absent); err == nil || errors.Is(err, state.ErrConflict) {
			t.Errorf("Put: %v, want an error that is no conflict: the object may be the one that was written", err)
		}
	})
	t.Run("no second try, no doubt", func(t *testing.T) {
		put(other, "t/same", "same", state.Absent)
		if _, err := other.Put(t.Context(), "t/same", []byte("same"), state.Absent); !errors.Is(err, state.ErrConflict) {
			t.Errorf("Put of equal bytes by another writer: %v, want ErrConflict", err)
		}
	})
}

// Each write says what its bytes should be, so that the service refuses others.
func TestWriteHasAChecksum(t *testing.T) {
	data, said := []byte("the bytes"), ""
	store := open(t, quick(azblob.Config{Container: "box", AccountName: "acme", AccountKey: secret.New("a2V5")}, func(req *http.Request) (*http.Response, error) {
		said = header(req, "Content-MD5")
		return answer(req, http.StatusCreated, ""), nil
	}))
	if _, err := store.Put(t.Context(), "t/x", data, state.Absent); err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum(data) //nolint:gosec // the service's checksum
	if want := base64.StdEncoding.EncodeToString(sum[:]); said != want {
		t.Errorf("Content-MD5 is %q, want %q", said, want)
	}
}

// brokenBody ends in the middle.
type brokenBody struct {
	io.Reader
	io.Closer
}

func TestBrokenDownload(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	writer := open(t, withKey(plain)("downloads"))
	if _, err := writer.Put(t.Context(), "t/x", data, state.Absent); err != nil {
		t.Fatal(err)
	}
	get := func(change func(n int, resp *http.Response)) (state.Object, error) {
		n := 0
		return open(t, quick(withKey(plain)("downloads"), func(req *http.Request) (*http.Response, error) {
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				n++
				change(n, resp)
			}
			return resp, err
		})).Get(t.Context(), "t/x")
	}
	t.Run("cut once", func(t *testing.T) {
		got, err := get(func(n int, resp *http.Response) {
			if n == 1 {
				cut := io.MultiReader(io.LimitReader(resp.Body, 1000), errReader{io.ErrUnexpectedEOF})
				resp.Body = brokenBody{cut, resp.Body}
			}
		})
		if err != nil || !bytes.Equal(got.Data, data) {
			t.Errorf("got %d bytes, %v; want all", len(got.Data), err)
		}
	})
	t.Run("cut always", func(t *testing.T) {
		_, err := get(func(_ int, resp *http.Response) {
			resp.Body = brokenBody{io.MultiReader(io.LimitReader(resp.Body, 1000), errReader{io.ErrUnexpectedEOF}), resp.Body}
		})
		if err == nil {
			t.Error("a cut object passed")
		}
	})
	t.Run("changed", func(t *testing.T) {
		_, err := get(func(_ int, resp *http.Response) {
			changed := bytes.Clone(data)
			changed[5000] ^= 1
			resp.Body = brokenBody{bytes.NewReader(changed), resp.Body}
		})
		if err == nil || !strings.Contains(err.Error(), "checksum") {
			t.Errorf("Get: %v, want it to say that the bytes are damaged", err)
		}
	})
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestPassingFaults(t *testing.T) {
	n := 0
	store := open(t, quick(withKey(plain)("passing"), func(req *http.Request) (*http.Response, error) {
		n++
		switch n {
		case 1:
			return nil, errBroke
		case 2:
			return &http.Response{
				StatusCode: http.StatusServiceUnavailable, Status: "503 Server Busy",
				Header: http.Header{"X-Ms-Error-Code": {"ServerBusy"}}, Body: http.NoBody, Request: req,
			}, nil
		}
		return http.DefaultClient.Do(req)
	}))
	if _, err := store.Put(t.Context(), "t/x", []byte("x"), state.Absent); err != nil {
		t.Errorf("Put: %v", err)
	}
}

// TestErrors checks what the user is told, and that no secret is in it.
func TestErrors(t *testing.T) {
	wrongKey := withKey(plain)("errors")
	const canary = "Y2FuYXJ5LXNlY3JldC1jYW5hcnktc2VjcmV0"
	wrongKey.AccountKey = secret.New(canary)

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	unreachable := withKey(plain)("errors")
	unreachable.ServiceURL, unreachable.AccountKey = at("http://"+closed.Addr().String()+"/account"), secret.New(canary)

	sas := azblob.Config{Container: "errors", ServiceURL: at("http://" + closed.Addr().String() + "/account"), SAS: secret.New("sv=2024&sig=" + canary)}

	answer := func(status int, code string) azblob.Config {
		return quick(withKey(plain)("errors"), func(req *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: status, Status: http.StatusText(status), Request: req,
				Header: http.Header{"X-Ms-Error-Code": {code}, "X-Ms-Request-Id": {"1234-5678"}},
				Body:   io.NopCloser(strings.NewReader("<Error>" + canary + "</Error>")),
			}, nil
		})
	}
	token := func(c azurite.Credential) azblob.Config { return withToken(oauth, c)("errors") }

	for _, test := range []struct {
		name string
		cfg  azblob.Config
		want []string
	}{
		{"wrong key, as the emulator says it", wrongKey, []string{"403", "AZURE_STORAGE_ACCESS_KEY is wrong"}},
		{"wrong key, as the service says it", answer(403, "AuthenticationFailed"), []string{"403", "AZURE_STORAGE_ACCESS_KEY is wrong", "clock"}},
		{"keys forbidden", answer(403, "KeyBasedAuthenticationNotPermitted"), []string{"remove AZURE_STORAGE_ACCESS_KEY", "Storage Blob Data Contributor"}},
		{"network rules", answer(403, "AuthorizationFailure"), []string{"network rules"}},
		{"request id", answer(403, "AuthenticationFailed"), []string{"(request 1234-5678)"}},
		{"another 404", answer(404, "ResourceNotFound"), []string{"404 ResourceNotFound", "AZURE_STORAGE_BLOB_ENDPOINT"}},
		{"busy", answer(503, "ServerBusy"), []string{"503 ServerBusy"}},
		{"identity without role", token(azurite.Credential{Audience: "https://elsewhere.example"}), []string{"403", `role "Storage Blob Data Contributor"`}},
		{"no identity", token(azurite.Credential{Err: errors.New("ManagedIdentityCredential: no identity\nlong body")}), []string{
			"no token", "no identity", "AZURE_CLIENT_ID", "AZURE_STORAGE_ACCESS_KEY", "Storage Blob Data Contributor",
		}},
		{"identity is down", token(azurite.Credential{Err: errors.New(`Get "http://127.0.0.1/msi?resource=` + canary + `": refused. To troubleshoot, visit https://aka.ms/x`)}), []string{
			`Get "http://127.0.0.1/msi": refused: give the app`,
		}},
		{"unreachable", quick(unreachable, nil), []string{"AZURE_STORAGE_BLOB_ENDPOINT", "AZURE_STORAGE_ACCOUNT_NAME", closed.Addr().String(), "connection refused"}},
		{"unreachable with a signature", quick(sas, nil), []string{"AzureWebJobsStorage", "connection refused"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := open(t, test.cfg)
			_, getErr := store.Get(t.Context(), "t/x")
			_, putErr := store.Put(t.Context(), "t/x", nil, state.Absent)
			_, _, lockErr := store.Lock(t.Context(), "t/locks/x")
			var listErr error
			for _, listErr = range store.List(t.Context(), "t/") {
			}
			for op, err := range map[string]error{
				"read": getErr, "write": putErr, "lock": lockErr, "list": listErr, "delete": store.Delete(t.Context(), "t/x"),
			} {
				if err == nil {
					t.Fatalf("%s: no error", op)
				}
				text := err.Error()
				for _, want := range append(test.want, op+` blob "`, `container "errors"`) {
					if !strings.Contains(text, want) {
						t.Errorf("%s: %q does not say %q", op, text, want)
					}
				}
				for _, never := range []string{canary, plain.AccountKey, "sig=", "\n", "<Error>", "SharedKey"} {
					if strings.Contains(text, never) {
						t.Errorf("%s: %q says %q", op, text, never)
					}
				}
				if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrConflict) || errors.Is(err, state.ErrLocked) {
					t.Errorf("%s: %v is taken for an answer about the object", op, err)
				}
			}
		})
	}
}

// TestDeadlineTellsWhy: the end of ctx alone would not say what was wrong.
func TestDeadlineTellsWhy(t *testing.T) {
	cfg := withKey(plain)("errors")
	cfg.ClientOptions.Retry = policy.RetryOptions{RetryDelay: time.Minute, MaxRetryDelay: time.Minute}
	ctx, cancel := context.WithCancel(t.Context())
	cfg.ClientOptions.Transport = transport(func(*http.Request) (*http.Response, error) {
		defer cancel()
		return nil, errBroke
	})
	_, err := open(t, cfg).Get(ctx, "t/x")
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), errBroke.Error()) {
		t.Errorf("Get: %v, want both the end of the context and %q", err, errBroke)
	}
}

// A lease of somebody else on an object, or a hold on its container, keeps it from being
// replaced and removed. The words say what to do.
func TestLeasedAndHeld(t *testing.T) {
	store := open(t, withKey(plain)("leased"))
	etag, err := store.Put(t.Context(), "acme/ledger/x", []byte("1"), state.Absent)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sdk.NewClientFromConnectionString(plain.ConnectionString, nil)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := lease.NewBlobClient(admin.ServiceClient().NewContainerClient("leased").NewBlobClient("acme/ledger/x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.AcquireLease(t.Context(), -1, nil); err != nil {
		t.Fatal(err)
	}
	_, putErr := store.Put(t.Context(), "acme/ledger/x", []byte("2"), etag)
	says(t, "Put", putErr, `blob "acme/ledger/x" in container "leased"`, "another process holds a lease", "az storage blob lease break --account-name "+plain.AccountName+" --container-name leased --blob-name acme/ledger/x")
	says(t, "Delete", store.Delete(t.Context(), "acme/ledger/x"), "another process holds a lease", "az storage blob lease break")

	held := open(t, quick(withKey(plain)("held"), func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusConflict, Header: http.Header{"X-Ms-Error-Code": {"BlobImmutableDueToLegalHold"}},
			Body: http.NoBody, Request: req,
		}, nil
	}))
	_, putErr = held.Put(t.Context(), "acme/ledger/x", []byte("2"), etag)
	says(t, "Put", putErr, "legal hold", `container "held"`, "STATE_URL")
	if errors.Is(putErr, state.ErrConflict) {
		t.Error("a hold is taken for another writer")
	}
}

func says(t *testing.T, what string, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %q in it", what, err, text)
		}
	}
}

// endless is a body that never ends.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read += int64(len(p))
	return len(p), nil
}

func (e *endless) Close() error { return nil }

// A blob that is larger than one of its kind can be is not read into memory: by its announced
// length, or when more comes than the kind can have. One that is shorter than announced is an
// error, even if the connection ended well: half a checkpoint must not be taken for one.
func TestSizeOfBlobs(t *testing.T) {
	const key = "acme/checkpoints/SailPointIDN_Events.json"
	for name, test := range map[string]struct {
		length string // announced
		body   func() io.ReadCloser
		most   int64 // read
		says   []string
	}{
		"a GB is announced":    {"1073741824", func() io.ReadCloser { return new(endless) }, 64 << 10, []string{"1073741824", "too large", "restore an earlier copy"}},
		"no length, no end":    {"", func() io.ReadCloser { return new(endless) }, 9 << 20, []string{"too large", "restore an earlier copy"}},
		"longer than was said": {"10", func() io.ReadCloser { return new(endless) }, 64 << 10, []string{"more than the 10 bytes"}},
		"shorter":              {"100", func() io.ReadCloser { return io.NopCloser(strings.NewReader("{}")) }, 0, []string{"2 of 100 bytes"}},
		"empty":                {"100", func() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }, 0, []string{"0 of 100 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			var body io.ReadCloser
			store := open(t, quick(withKey(plain)("sizes"), func(req *http.Request) (*http.Response, error) {
				body = test.body()
				h := http.Header{"Etag": {`"1"`}}
				if test.length != "" {
					h.Set("Content-Length", test.length)
				}
				return &http.Response{StatusCode: http.StatusOK, Header: h, Body: body, ContentLength: -1, Request: req}, nil
			}))
			o, err := store.Get(t.Context(), key)
			says(t, "Get", err, append(test.says, key)...)
			if e, ok := body.(*endless); ok && e.read > test.most {
				t.Errorf("%d bytes were read, want at most %d", e.read, test.most)
			}
			if errors.Is(err, state.ErrNotFound) || o.Data != nil {
				t.Errorf("taken for none, or for data: %q, %v", o.Data, err)
			}
		})
	}
}
