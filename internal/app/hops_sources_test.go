package app_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/fanout/queue"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/source/identityiq"
	"github.com/idn-sentinel/idn-sentinel/internal/source/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// otherHops are the services that not every app talks to.
func otherHops(t *testing.T) []hop {
	key := privateKey(t)
	system := func(ctx context.Context, cfg okta.Config) error {
		_, err := okta.NewClient(cfg).Logs().Fetch(ctx, "")
		return err
	}
	return []hop{
		{
			name: "Okta, token", public: "https://acme.okta.com", settings: "OKTA_ORG_URL",
			blames: []string{"OKTA_API_TOKEN is wrong", "may not read the System Log"},
			call: func(ctx context.Context, address string) error {
				return system(ctx, okta.Config{BaseURL: parse(t, address), Token: secret.New(hopSecret)})
			},
		},
		{
			name: "Okta, service app", public: "https://acme.okta.com", settings: "OKTA_ORG_URL", costly: true, // an RSA key
			blames: []string{"OKTA_CLIENT_ID is wrong", "check OKTA_CLIENT_ID, OKTA_PRIVATE_KEY"},
			call: func(ctx context.Context, address string) error {
				return system(ctx, okta.Config{BaseURL: parse(t, address), ClientID: "0oa1", PrivateKey: key})
			},
		},
		{
			name: "IdentityIQ", public: "https://iiq.api.identitynow.com", settings: "IIQ_URL", ownPages: true,
			call: func(ctx context.Context, address string) error {
				c := identityiq.NewClient(identityiq.Config{BaseURL: parse(t, address), ClientID: "id", ClientSecret: secret.New(hopSecret), Streams: []string{"tasks"}})
				_, err := c.TaskResults().Fetch(ctx, "")
				return err
			},
		},
		{
			name: "workflow", public: "https://acme.api.identitynow.com", settings: "WORKFLOW_URL",
			blames: []string{"WORKFLOW_CLIENT_SECRET is wrong, expired or deleted: open the workflow's external trigger in SailPoint, create a new access token client there, and set both settings:"},
			call: func(ctx context.Context, address string) error {
				w := sailpoint.NewWorkflow(sailpoint.WorkflowConfig{
					URL: parse(t, address+"/beta/workflows/execute/external/0f1e2d3c"), BaseURL: parse(t, address), ClientID: "id", ClientSecret: secret.New(hopSecret),
				})
				return w.Ready(ctx)
			},
		},
		{
			name: "queue", public: "https://acme.queue.core.windows.net", settings: "AzureWebJobsStorage",
			call: func(ctx context.Context, address string) error {
				c, err := queue.New(queue.Config{Endpoint: parse(t, address), Setting: "AzureWebJobsStorage", AccountName: hopAccount, Key: hopKey(), ClientOptions: once()})
				if err != nil {
					t.Fatal(err)
				}
				_, err = c.Look(ctx)
				return err
			},
		},
	}
}

func privateKey(t *testing.T) secret.String {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}
