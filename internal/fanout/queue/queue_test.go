package queue_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	standin "github.com/idn-sentinel/idn-sentinel/dev/sandbox/host/queue"
	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/fanout/queue"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

func parsed(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func open(t *testing.T, cfg queue.Config) *queue.Client {
	t.Helper()
	cfg.ClientOptions.Retry.MaxRetries = -1
	c, err := queue.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A look at a real queue service: none, empty, and with messages of all kinds. Nothing changes by it.
func TestLook(t *testing.T) {
	server := azurite.StartQueues(t)
	c := open(t, queue.Config{Endpoint: parsed(t, server.QueueURL), Setting: "AzureWebJobsStorage", AccountName: server.AccountName, Key: secret.New(server.AccountKey)})
	look := func() queue.Seen {
		t.Helper()
		seen, err := c.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	if seen := look(); !seen.Missing || seen.Waiting != 0 || seen.GivenUp != 0 {
		t.Errorf("without a queue: %+v", seen)
	}
	q := standin.Queue{Account: standin.Account{URL: server.QueueURL, Name: server.AccountName, Key: server.AccountKey}, Name: fanout.Queue}
	text, err := fanout.Encode(fanout.Message{App: "app-1", Connection: "acme", Tick: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen := look(); seen.Missing || seen.Waiting != 0 {
		t.Errorf("of an empty queue: %+v", seen)
	}
	if err := errors.Join(q.Send(t.Context(), text, strings.Replace(text, `"version":1`, `"version":9`, 1), "no message"), q.Put(t.Context(), "not base64 & <odd>"), q.Poison().Put(t.Context(), "x")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if seen := look(); seen.Missing || seen.Waiting != 4 || seen.GivenUp != 1 || len(seen.Messages) != 1 || seen.Messages[0].App != "app-1" || seen.Strange != 2 {
			t.Errorf("%+v", seen)
		}
	}
	wrong := open(t, queue.Config{Endpoint: parsed(t, server.QueueURL), Setting: "AzureWebJobsStorage", AccountName: server.AccountName, Key: secret.New(base64.StdEncoding.EncodeToString([]byte("canary")))})
	var denied *queue.DeniedError
	if _, err := wrong.Look(t.Context()); !errors.As(err, &denied) || !strings.Contains(err.Error(), "AzureWebJobsStorage is wrong or expired") {
		t.Errorf("a wrong key: %v", err)
	}
}

// token is a credential.
type token string

func (s token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if s == "" {
		return azcore.AccessToken{}, errors.New("no identity here")
	}
	return azcore.AccessToken{Token: string(s), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

const canary = "canary-queue-token-5521"

// Each answer that is no success says what to do, and shows no secret.
func TestAnswers(t *testing.T) {
	const sas = "sv=1&sig=" + canary
	for name, tc := range map[string]struct {
		method     string // the first request that is answered with code
		status     int
		code, body string
		as         queue.Config
		denied     bool
		says       string // "" means success
	}{
		"the role is missing":              {"GET", 403, "AuthorizationPermissionMismatch", "", queue.Config{Credential: token(canary)}, true, `role "Storage Queue Data Contributor"`},
		"the identity may only read":       {"DELETE", 403, "AuthorizationPermissionMismatch", "", queue.Config{Credential: token(canary)}, true, `role "Storage Queue Data Contributor"`},
		"the network blocks it":            {"GET", 403, "AuthorizationFailure", "", queue.Config{Credential: token(canary)}, true, "network rules"},
		"keys are not accepted":            {"GET", 403, "KeyBasedAuthenticationNotPermitted", "", queue.Config{AccountName: "acme", Key: secret.New("Y2FuYXJ5")}, true, "does not accept keys"},
		"a signature that is not enough":   {"GET", 403, "AuthorizationFailure", "", queue.Config{SAS: secret.New(sas)}, true, "does not include queues"},
		"no such message":                  {"DELETE", 404, "MessageNotFound", "", queue.Config{Credential: token(canary)}, false, ""},
		"no such queue":                    {"DELETE", 404, "QueueNotFound", "", queue.Config{Credential: token(canary)}, false, ""},
		"the receipt does not fit":         {"DELETE", 400, "PopReceiptMismatch", "", queue.Config{Credential: token(canary)}, false, ""},
		"another service":                  {"GET", 404, "", "", queue.Config{Credential: token(canary)}, false, "check QUEUES"},
		"a page of a proxy":                {"GET", 200, "", "<html>sign in</html>", queue.Config{Credential: token(canary)}, false, "could not be reached"},
		"a page of a proxy that refuses":   {"GET", 403, "", "<html>blocked</html>", queue.Config{Credential: token(canary)}, false, "could not be reached"},
		"the service is down":              {"GET", 503, "ServerBusy", "", queue.Config{Credential: token(canary)}, false, "503 ServerBusy"},
		"no token":                         {"", 0, "", "", queue.Config{Credential: token("")}, false, "no token for the queue service"},
		"it works, with a signature":       {"", 0, "", "", queue.Config{SAS: secret.New(sas)}, false, ""},
		"it works, with a key":             {"", 0, "", "", queue.Config{AccountName: "acme", Key: secret.New("Y2FuYXJ5")}, false, ""},
		"it works, with an identity":       {"", 0, "", "", queue.Config{Credential: token(canary)}, false, ""},
		"an answer that counts no message": {"GET", 200, "", "<x/>", queue.Config{Credential: token(canary)}, false, "does not say how many"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/xml")
				if r.Method == tc.method {
					if strings.HasPrefix(tc.body, "<html") {
						w.Header().Set("Content-Type", "text/html")
					}
					if tc.code != "" {
						w.Header().Set("X-Ms-Error-Code", tc.code)
					}
					w.WriteHeader(tc.status)
					fmt.Fprint(w, tc.body)
					return
				}
				w.Header().Set("X-Ms-Approximate-Messages-Count", "0")
				fmt.Fprint(w, "<QueueMessagesList></QueueMessagesList>")
			}))
			defer server.Close()
			cfg := tc.as
			cfg.Endpoint, cfg.Setting = parsed(t, server.URL), "QUEUES"
			_, err := open(t, cfg).Look(t.Context())
			var denied *queue.DeniedError
			switch {
			case tc.says == "" && err != nil:
				t.Error(err)
			case tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says) || errors.As(err, &denied) != tc.denied):
				t.Errorf("%v, denied %v", err, denied != nil)
			}
			if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%q", err)
			}
		})
	}
}

// What can't sign in is no client.
func TestNew(t *testing.T) {
	at := parsed(t, "https://acme.queue.core.windows.net")
	for name, cfg := range map[string]queue.Config{"nothing": {}, "a damaged key": {AccountName: "acme", Key: secret.New("canary!")}} {
		cfg.Endpoint, cfg.Setting = at, "AzureWebJobsStorage"
		if _, err := queue.New(cfg); err == nil || !strings.Contains(err.Error(), "AzureWebJobsStorage") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
