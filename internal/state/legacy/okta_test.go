package legacy_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/state/legacy"
)

// token is an API token, which the function used as the key of its row.
const token = "00canary-okta-token"

// putPlace writes a row as the function does. uri is its property; nil leaves it out.
func putPlace(t *testing.T, c *aztables.Client, partition, key string, uri any) {
	t.Helper()
	row := map[string]any{"PartitionKey": partition, "RowKey": key}
	if uri != nil {
		row["uri"] = uri
	}
	data, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpsertEntity(t.Context(), data, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace}); err != nil {
		t.Fatal(err)
	}
}

// The places come from a real table service, with a key and with a token, the latest first.
func TestPlaces(t *testing.T) {
	for name, way := range map[string]struct {
		server *azurite.Server
		cfg    legacy.Config
	}{"key": {plain, withKey(plain)}, "token": {oauth, withToken(oauth, azurite.Credential{})}} {
		t.Run(name, func(t *testing.T) {
			c, account := tables(t, way.server).NewClient("OKTA"), open(t, way.cfg)
			reset(t, c)
			read := func() (links []string) {
				t.Helper()
				places, err := account.Places(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range places {
					links = append(links, p.Link)
					if age := time.Since(p.Stored); age < -time.Hour || age > time.Hour {
						t.Errorf("%s was stored at %v", p.Link, p.Stored)
					}
				}
				return links
			}
			if links := read(); links != nil {
				t.Errorf("without a table: %q", links)
			}
			if _, err := c.CreateTable(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if links := read(); links != nil {
				t.Errorf("of an empty table: %q", links)
			}
			const link = "https://acme.okta.com/api/v1/logs?after="
			putPlace(t, c, "part1", token+"-1", link+"first")
			putPlace(t, c, "part1", token+"-2", link+"second")
			putPlace(t, c, "part1", token+"-3", nil) // says nothing
			putPlace(t, c, "part2", token+"-4", link+"of-something-else")
			putPlace(t, c, "part1", token+"-1", link+"third")
			if diff := cmp.Diff([]string{link + "third", link + "second"}, read()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A row that can't be read is an error without the key of the row, which is a secret.
func TestPlaceUnusable(t *testing.T) {
	c, account := tables(t, plain).NewClient("OKTA"), open(t, withKey(plain))
	reset(t, c)
	if _, err := c.CreateTable(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for name, uri := range map[string]any{"a number": 17, "a truth": true} {
		t.Run(name, func(t *testing.T) {
			putPlace(t, c, "part1", token, uri)
			places, err := account.Places(t.Context())
			if err == nil {
				t.Fatalf("%v, want an error", places)
			}
			for _, part := range []string{"OKTA", "has no text in uri", "LEGACY_CHECKPOINT=off"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v\nwant it to contain %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("%v\nshows the token", err)
			}
		})
	}
}

// The key of a row is never requested, and it is in no error, even where it is the place at which a
// long list continues and the answer repeats it.
func TestOktaTokenIsNeverShown(t *testing.T) {
	for status, want := range map[int]string{403: "network rules", 404: "check the address", 500: "check the address", 200: "has no end"} {
		cfg := legacy.Config{ServiceURL: at("https://old.table.core.windows.net"), AccountName: "old", AccountKey: secret.New("a2V5"), KeySetting: "AzureWebJobsStorage"}
		asked := 0
		cfg.ClientOptions.Transport = doer(func(r *http.Request) (*http.Response, error) {
			if columns := r.URL.Query().Get("$select"); columns == "" || strings.Contains(columns, "RowKey") {
				t.Errorf("asks for %q", columns)
			}
			asked++
			if asked > 1 && status != 200 {
				return answer{status: status, code: "ServerBusy " + r.URL.Query().Get("NextRowKey")}.Do(r)
			}
			resp, err := answer{status: 200}.Do(r)
			if err == nil {
				resp.Header.Set("X-Ms-Continuation-Nextrowkey", token)
				resp.Header.Set("X-Ms-Continuation-Nextpartitionkey", "part1")
			}
			return resp, err
		})
		places, err := open(t, cfg).Places(t.Context())
		switch {
		case err == nil:
			t.Errorf("%d: %v, want an error", status, places)
		case strings.Contains(err.Error(), "canary-okta") || !strings.Contains(err.Error(), want):
			t.Errorf("%d: %v\nwant %q, and no token", status, err, want)
		case asked < 2:
			t.Errorf("%d: asked %d times: %v", status, asked, err)
		}
	}
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }
