package sailpoint_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// row is the row of one invocation.
func row(t testing.TB, invocation string) string {
	t.Helper()
	cfg := config(says(reply{body: "[" + invocation + "]"}))
	page, err := sailpoint.NewClient(cfg).Triggers().Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return string(page.Records[0].Raw)
}

func TestRows(t *testing.T) {
	for name, c := range map[string]struct{ invocation, want string }{
		"usual": {
			`{"id":"i","triggerId":"idn:t","subscriptionName":"s","created":"c","startInvocationInput":{"triggerId":"idn:t","input":{"a":1},"contentJson":{}},"completed":"d","completeInvocationInput":{"localizedError":null,"output":{"x":true}}}`,
			`{"id":"i","triggerId":"idn:t","subscriptionName":"s","created":"c","startInvocationInput":{"triggerId":"idn:t","contentJson":"{}"},"completed":"d","completeInvocationInput":{"localizedError":null,"output":"{\"x\":true}"},"Body":{"a":1,"_metadata":{"triggerId":"idn:t","invocationId":"i"}},"Metadata":{"triggerId":"idn:t","invocationId":"i"}}`,
		},
		"error": {
			`{"id":"i","completeInvocationInput":{"localizedError":{"locale":"en-US","message":"no answer"},"output":null}}`,
			`{"id":"i","completeInvocationInput":{"localizedError":"{\"locale\":\"en-US\",\"message\":\"no answer\"}","output":null},"Body":{"_metadata":{"invocationId":"i"}},"Metadata":{"invocationId":"i"}}`,
		},
		"metadata_is_kept": {
			`{"id":"i","triggerId":"idn:t","startInvocationInput":{"input":{"_metadata":{"triggerType":"requestResponse","callbackURL":"https://x/y","invocationId":"other","triggerId":null},"a":1}}}`,
			`{"id":"i","triggerId":"idn:t","startInvocationInput":{},"Body":{"_metadata":{"triggerType":"requestResponse","callbackURL":"https://x/y","invocationId":"other","triggerId":"idn:t"},"a":1},"Metadata":{"triggerId":"idn:t","invocationId":"i","triggerType":"requestResponse"}}`,
		},
		"metadata_of_other_kind": {
			`{"id":"i","startInvocationInput":{"triggerId":"idn:t","input":{"_metadata":"m"}}}`,
			`{"id":"i","startInvocationInput":{"triggerId":"idn:t"},"Body":{"_metadata":"m"},"Metadata":{"triggerId":"idn:t","invocationId":"i"}}`,
		},
		"no_input":   {`{"id":"i","startInvocationInput":{}}`, `{"id":"i","startInvocationInput":{},"Body":{"_metadata":{"invocationId":"i"}},"Metadata":{"invocationId":"i"}}`},
		"null_input": {`{"startInvocationInput":{"input":null}}`, `{"startInvocationInput":{},"Body":{"_metadata":{}},"Metadata":{}}`},
		"list_input": {`{"startInvocationInput":{"input":[{"secret":"x"}]}}`, `{"startInvocationInput":{},"Body":[{"secret":"(masked)"}],"Metadata":{}}`},
		"no_start":   {`{"startInvocationInput":null}`, `{"startInvocationInput":null,"Body":{"_metadata":{}},"Metadata":{}}`},
		"odd_start":  {`{"startInvocationInput":[1]}`, `{"startInvocationInput":[1],"Body":{"_metadata":{}},"Metadata":{}}`},
		"collision":  {`{"Body":1,"Metadata":{"a":2}}`, `{"Body_":1,"Metadata_":{"a":2},"Body":{"_metadata":{}},"Metadata":{}}`},
		"spelling": {
			"{ \"id\" : \"i\\u00e9\\/\\ud800\xff\" , \"n\" : 12345678901234567890.10e+2 , \"startInvocationInput\" : { \"input\" : { \"b\" : [ 1 , -0.0 ] } } }",
			"{\"id\":\"i\\u00e9\\/\\ud800\xff\",\"n\":12345678901234567890.10e+2,\"startInvocationInput\":{},\"Body\":{\"b\":[1,-0.0],\"_metadata\":{}},\"Metadata\":{}}",
		},
		"duplicates": {`{"id":"a","id":"i","startInvocationInput":{"input":{"a":1,"a":2}}}`, `{"id":"a","id":"i","startInvocationInput":{},"Body":{"a":1,"a":2,"_metadata":{"invocationId":"i"}},"Metadata":{"invocationId":"i"}}`},
		"counts_are_texts": {
			`{"startInvocationInput":{"input":{"searchResults":{"Account":{"count":3,"noun":"accounts","preview":[["count",1]]},"Identity":{"count":"2"}},"stats":{"count":5,"scanned":200},"count":7}}}`,
			`{"startInvocationInput":{},"Body":{"searchResults":{"Account":{"count":"3","noun":"accounts","preview":[["count",1]]},"Identity":{"count":"2"}},"stats":{"count":5,"scanned":200},"count":7,"_metadata":{}},"Metadata":{}}`,
		},
		"counts_elsewhere": {
			`{"searchResults":{"A":{"count":1}},"startInvocationInput":{"input":{"x":{"searchResults":{"A":{"count":1}}}}}}`,
			`{"searchResults":{"A":{"count":1}},"startInvocationInput":{},"Body":{"x":{"searchResults":{"A":{"count":1}}},"_metadata":{}},"Metadata":{}}`,
		},
		"innocent_text":  {`{"startInvocationInput":{"input":{"note":"{ \"tokens\": 1 }"}}}`, `{"startInvocationInput":{},"Body":{"note":"{ \"tokens\": 1 }","_metadata":{}},"Metadata":{}}`},
		"two_texts":      {`{"a":"{\"secret\":1} {}"}`, `{"a":"{\"secret\":1} {}","Body":{"_metadata":{}},"Metadata":{}}`},
		"content_object": {`{"startInvocationInput":{"contentJson":{"a":[1,"\u00e9"],"password":"x"}}}`, `{"startInvocationInput":{"contentJson":"{\"a\":[1,\"\\u00e9\"],\"password\":\"(masked)\"}"},"Body":{"_metadata":{}},"Metadata":{}}`},
		"content_text":   {`{"startInvocationInput":{"contentJson":"{\"a\": 1}"}}`, `{"startInvocationInput":{"contentJson":"{\"a\": 1}"},"Body":{"_metadata":{}},"Metadata":{}}`},
		"content_secret": {`{"startInvocationInput":{"contentJson":"{\"a\": {\"secret\":\"x\"}}"}}`, `{"startInvocationInput":{"contentJson":"{\"a\":{\"secret\":\"(masked)\"}}"},"Body":{"_metadata":{}},"Metadata":{}}`},
		"content_null":   {`{"startInvocationInput":{"contentJson":null}}`, `{"startInvocationInput":{"contentJson":null},"Body":{"_metadata":{}},"Metadata":{}}`},
		"secrets": {
			`{"secret":"x","startInvocationInput":{"input":{"_metadata":{"secret":"x"},"Client-Secret":"x","httpConfig":{"bearerTokenAuthConfig":{"bearerToken":"x"},"basicAuthConfig":{"userName":"u","password":"x"}},"access_token":{"a":"x"},"apiKey":["x"],"password":null}},"completeInvocationInput":{"output":{"accessToken":"x","refreshToken":7}}}`,
			`{"secret":"(masked)","startInvocationInput":{},"completeInvocationInput":{"output":"{\"accessToken\":\"(masked)\",\"refreshToken\":\"(masked)\"}"},"Body":{"_metadata":{"secret":"(masked)"},"Client-Secret":"(masked)","httpConfig":{"bearerTokenAuthConfig":{"bearerToken":"(masked)"},"basicAuthConfig":{"userName":"u","password":"(masked)"}},"access_token":"(masked)","apiKey":"(masked)","password":null},"Metadata":{}}`,
		},
		"secret_in_text": {
			`{"startInvocationInput":{"input":{"payload":" {\"deep\":\"[{\\\"secret\\\":\\\"x\\\"}]\"}","note":"{\"secret\" is a word","list":"[1] secret"}}}`,
			`{"startInvocationInput":{},"Body":{"payload":"{\"deep\":\"[{\\\"secret\\\":\\\"(masked)\\\"}]\"}","note":"{\"secret\" is a word","list":"[1] secret","_metadata":{}},"Metadata":{}}`,
		},
		"innocent_names": {`{"startInvocationInput":{"input":{"passwordLastSet":1,"secretary":"s","tokenCount":2}}}`, `{"startInvocationInput":{},"Body":{"passwordLastSet":1,"secretary":"s","tokenCount":2,"_metadata":{}},"Metadata":{}}`},
		"signed_link": {
			`{"startInvocationInput":{"input":{"signedS3Url":"https://b.s3.example/f.zip?X-Amz-Signature=x\u0026y=z","other":"https://b.example/?q"}}}`,
			`{"startInvocationInput":{},"Body":{"signedS3Url":"https://b.s3.example/f.zip","other":"https://b.example/?q","_metadata":{}},"Metadata":{}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, row(t, c.invocation)); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
		})
	}
}

// Nothing of one invocation gets into the row of the next.
func TestRowsAreApart(t *testing.T) {
	body := `[{"id":"a","triggerId":"t","startInvocationInput":{"input":{"_metadata":{"triggerType":"T"},"x":1}}},{"id":"b"}]`
	page, err := client(t, says(reply{body: body})).Triggers().Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"id":"a","triggerId":"t","startInvocationInput":{},"Body":{"_metadata":{"triggerType":"T","triggerId":"t","invocationId":"a"},"x":1},"Metadata":{"triggerId":"t","invocationId":"a","triggerType":"T"}}`,
		`{"id":"b","Body":{"_metadata":{"invocationId":"b"}},"Metadata":{"invocationId":"b"}}`,
	}
	if diff := cmp.Diff(want, []string{string(page.Records[0].Raw), string(page.Records[1].Raw)}); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// Every payload that is known: nothing of it is lost, and no secret comes through.
func TestRowsOfEveryTrigger(t *testing.T) {
	const canary = "c4n4ry"
	g := synth.New(synth.Options{Seed: 3, Start: time.Now().Add(-time.Hour), Canary: canary})
	secrets := 0
	for i := range 4 * len(g.TriggerIDs()) {
		inv := g.Invocation(i)
		raw := inv.AppendJSON(nil)
		secrets += strings.Count(string(raw), canary)
		got := row(t, string(raw))
		if strings.Contains(got, canary) {
			t.Errorf("%s: a secret comes through: %s", inv.TriggerID, got)
		}
		if !jsontext.Value(got).IsValid() {
			t.Errorf("%s: no JSON: %s", inv.TriggerID, got)
		}
		// The payload's members are all in Body, and those of the invocation beside it.
		var in, out map[string]json.RawMessage
		var start, body map[string]json.RawMessage
		decode(t, string(raw), &in)
		decode(t, got, &out)
		decode(t, string(inv.Input), &start)
		decode(t, string(out["Body"]), &body)
		for name := range in {
			if _, ok := out[name]; !ok {
				t.Errorf("%s: %s is missing in the row", inv.TriggerID, name)
			}
		}
		for name := range start {
			if _, ok := body[name]; !ok {
				t.Errorf("%s: %s is missing in Body", inv.TriggerID, name)
			}
		}
		var meta struct{ TriggerID, InvocationID string }
		decode(t, string(out["Metadata"]), &meta)
		if meta.TriggerID != inv.TriggerID || meta.InvocationID != inv.ID {
			t.Errorf("%s: Metadata %s", inv.TriggerID, out["Metadata"])
		}
	}
	if secrets == 0 {
		t.Error("no payload held a secret: the test proves nothing")
	}
}

func decode(t *testing.T, text string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), to); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// Whatever an invocation holds, the row is one JSON object whose own members
// are the invocation's, and masking keeps everything that is not masked.
func FuzzRow(f *testing.F) {
	f.Add(`{"id":"i","startInvocationInput":{"input":{"a":1},"contentJson":"[]"}}`)
	f.Add(`{"startInvocationInput":{"input":{"_metadata":{"secret":{"a":[1]}}},"contentJson":{"b":"{\"secret\":1}"}}}`)
	f.Add(`{"a":"{\"secret\":\"\\ud800\"}","signedS3Url":"x?y"}`)
	f.Fuzz(func(t *testing.T, invocation string) {
		lenient := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
		if raw := jsontext.Value(invocation); !raw.IsValid(lenient...) || raw.Kind() != jsontext.KindBeginObject {
			return
		}
		got := row(t, invocation)
		if raw := jsontext.Value(got); !raw.IsValid(lenient...) || raw.Kind() != jsontext.KindBeginObject {
			t.Fatalf("%s\nbecame no object: %s", invocation, got)
		}
	})
}

// An invocation without anything to mask or to move is copied without its white space.
func TestRowCopies(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		members := rapid.MapOf(rapid.StringMatching(`[a-z]{1,3}x`), rapid.OneOf(
			rapid.Map(rapid.String(), func(s string) any { return s }),
			rapid.Map(rapid.Int64(), func(n int64) any { return n }),
			rapid.Map(rapid.SliceOf(rapid.Bool()), func(b []bool) any { return b }),
		)).Draw(rt, "members")
		in, err := json.Marshal(members)
		if err != nil {
			rt.Fatal(err)
		}
		want := bytes.Clone(bytes.TrimSuffix(in, []byte("}")))
		if len(members) > 0 {
			want = append(want, ',')
		}
		want = append(want, `"Body":{"_metadata":{}},"Metadata":{}}`...)
		if diff := cmp.Diff(string(want), row(t, string(in))); diff != "" {
			rt.Errorf("row (-want +got):\n%s", diff)
		}
	})
}
