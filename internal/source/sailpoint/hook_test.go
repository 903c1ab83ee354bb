package sailpoint_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	src "github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

const (
	pushToken       = "canary-webhook-token-4c1d"
	pushTokenBefore = "canary-webhook-before-9e0b"
	pushPassword    = "canary-webhook-password-77"
	tenantAPI       = "https://acme.api.identitynow.com"
	invocationID    = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
)

var arrival = time.Date(2026, 11, 29, 12, 0, 3, 456_000_000, time.UTC)

func hook(change func(*sailpoint.HookConfig)) *sailpoint.Hook {
	cfg := sailpoint.HookConfig{
		Token: secret.New(pushToken), Previous: secret.New(pushTokenBefore), Username: "sailpoint", Password: secret.New(pushPassword), BaseURL: hookBase(),
	}
	if change != nil {
		change(&cfg)
	}
	return sailpoint.NewHook(cfg)
}

func TestAdmits(t *testing.T) {
	basic := func(user, password string) string {
		return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	}
	h := hook(nil)
	for _, tc := range []struct {
		name   string
		header []string
		want   bool
	}{
		{"token", []string{"Bearer " + pushToken}, true},
		{"previous token", []string{"Bearer " + pushTokenBefore}, true},
		{"lower case", []string{"bearer " + pushToken}, true},
		{"upper case", []string{"BEARER " + pushToken}, true},
		{"more blanks", []string{" Bearer   " + pushToken + " "}, true},
		{"basic", []string{"Basic " + basic("sailpoint", pushPassword)}, true},
		{"basic, lower case", []string{"basic " + basic("sailpoint", pushPassword)}, true},

		{"none", nil, false},
		{"empty", []string{""}, false},
		{"only the scheme", []string{"Bearer"}, false},
		{"only the scheme and a blank", []string{"Bearer "}, false},
		{"two, both right", []string{"Bearer " + pushToken, "Bearer " + pushToken}, false},
		{"two, one right", []string{"Bearer " + pushToken, "Bearer x"}, false},
		{"wrong", []string{"Bearer canary-webhook-token-4c1e"}, false},
		{"shorter", []string{"Bearer " + pushToken[:10]}, false},
		{"longer", []string{"Bearer " + pushToken + "x"}, false},
		{"other case", []string{"Bearer " + strings.ToUpper(pushToken)}, false},
		{"without a scheme", []string{pushToken}, false},
		{"the token as Basic", []string{"Basic " + pushToken}, false},
		{"the password as token", []string{"Bearer " + pushPassword}, false},
		{"another user", []string{"Basic " + basic("admin", pushPassword)}, false},
		{"wrong password", []string{"Basic " + basic("sailpoint", "x")}, false},
		{"not base64", []string{"Basic !!"}, false},
	} {
		if got, err := h.Admits(t.Context(), tc.header); got != tc.want || err != nil {
			t.Errorf("%s: got %v", tc.name, got)
		}
	}
	for name, h := range map[string]*sailpoint.Hook{
		"nothing set":         sailpoint.NewHook(sailpoint.HookConfig{}),
		"a user, no password": sailpoint.NewHook(sailpoint.HookConfig{Username: "sailpoint"}),
	} {
		for _, header := range []string{"", "Bearer ", "Bearer", "Basic ", "Basic " + basic("sailpoint", ""), "Basic " + basic("", "")} {
			if ok, err := h.Admits(t.Context(), []string{header}); ok || err != nil {
				t.Errorf("%s: %q is admitted", name, header)
			}
		}
	}
}

func receive(t *testing.T, h *sailpoint.Hook, rest, body string) src.Push {
	t.Helper()
	push, err := h.Receive(rest, []byte(body), arrival)
	if err != nil {
		t.Fatalf("Receive: %v", err)
	}
	return push
}

// The row of a push is what polling makes of the invocation in flight.
func TestPushedRows(t *testing.T) {
	const meta = `"_metadata":{"triggerType":"fireAndForget","triggerId":"idn:t","invocationId":"` + invocationID + `"}`
	const created = `"created":"2026-11-29T12:00:03.456Z"`
	row := func(body string) string {
		return `{"id":"` + invocationID + `","triggerId":"idn:t",` + created + `,"startInvocationInput":{"triggerId":"idn:t"},"Body":` + body + `,"Metadata":{"triggerId":"idn:t","invocationId":"` + invocationID + `","triggerType":"fireAndForget"}}`
	}
	for _, tc := range []struct{ name, rest, body, id, row string }{
		{"metadata last", "", `{"a":1,` + meta + `}`, invocationID + "|", row(`{"a":1,` + meta + `}`)},
		{"metadata first", "idn:other", `{` + meta + `,"a":1}`, invocationID + "|", row(`{` + meta + `,"a":1}`)},
		{"with a byte order mark", "", "\xef\xbb\xbf" + `{"a":1,` + meta + "}\n", invocationID + "|", row(`{"a":1,` + meta + `}`)},
		{
			"a callback address instead of the id", "", `{"_metadata":{"callbackURL":"` + tenantAPI + `/beta/trigger-invocations/` + invocationID + `/complete","secret":"canary","triggerId":"idn:t"}}`, invocationID + "|",
			`{"id":"` + invocationID + `","triggerId":"idn:t",` + created + `,"startInvocationInput":{"triggerId":"idn:t"},"Body":{"_metadata":{"callbackURL":"` + tenantAPI + `/beta/trigger-invocations/` + invocationID + `/complete","secret":"(masked)","triggerId":"idn:t","invocationId":"` + invocationID + `"}},"Metadata":{"triggerId":"idn:t","invocationId":"` + invocationID + `"}}`,
		},
		{
			"no metadata, the trigger in the address", "identity-created", `{"a":1}`, "sha256:d4b0dd9657a395e329af718a20c06861b1bbdcb76fb8931d9b520308454fc115@2026-11-29T12:00Z",
			`{"triggerId":"idn:identity-created",` + created + `,"startInvocationInput":{"triggerId":"idn:identity-created"},"Body":{"a":1,"_metadata":{"triggerId":"idn:identity-created"}},"Metadata":{"triggerId":"idn:identity-created"}}`,
		},
		{
			"null metadata, no trigger", "", `{"a":1,"_metadata":null}`, "sha256:015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862@2026-11-29T12:00Z",
			`{` + created + `,"startInvocationInput":{},"Body":{"a":1,"_metadata":null},"Metadata":{}}`,
		},
		{
			"metadata of another kind", "", `{"a":1,"_metadata":"m"}`, "sha256:015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862@2026-11-29T12:00Z",
			`{` + created + `,"startInvocationInput":{},"Body":{"a":1,"_metadata":"m"},"Metadata":{}}`,
		},
		{
			"EventBridge", "", `{"version":"0","id":"11111111-2222-4333-8444-555555555555","detail-type":"idn:t","source":"aws.partner/sailpoint.com/5ub/idn/t","account":"123456789012","time":"2026-11-29T02:50:56Z","region":"us-east-1","resources":[],"detail":{"a":1,` + meta + `}}`, invocationID + "|",
			`{"id":"` + invocationID + `","triggerId":"idn:t","subscriptionId":"5ub","created":"2026-11-29T02:50:56.000Z","startInvocationInput":{"triggerId":"idn:t"},"Body":{"a":1,` + meta + `},"Metadata":{"triggerId":"idn:t","invocationId":"` + invocationID + `","triggerType":"fireAndForget"}}`,
		},
		{"EventBridge, detail alone", "", `{"a":1,` + meta + `}`, invocationID + "|", row(`{"a":1,` + meta + `}`)},
		{"EventBridge, a transformer's shape", "", `{"detail":{"a":1,` + meta + `}}`, invocationID + "|", row(`{"a":1,` + meta + `}`)},
		{"EventBridge, a transformer with members of its own", "", `{"env":"prod","detail":{"a":1,` + meta + `}}`, invocationID + "|", row(`{"a":1,` + meta + `}`)},
		{
			"EventBridge without metadata", "", `{"id":"e1","detail-type":"idn:t","source":"aws.partner/sailpoint.com/5ub/idn/t","time":"2026-11-29T02:50:56Z","detail":{"a":1}}`, "event|e1",
			`{"triggerId":"idn:t","subscriptionId":"5ub","created":"2026-11-29T02:50:56.000Z","startInvocationInput":{"triggerId":"idn:t"},"Body":{"a":1,"_metadata":{"triggerId":"idn:t"}},"Metadata":{"triggerId":"idn:t"}}`,
		},
		{
			"EventBridge with a time that can't be", "", `{"id":"e1","detail-type":"idn:t","source":"aws.partner/sailpoint.com/5ub/idn/t","time":"9998-11-29T02:50:56Z","detail":{"a":1}}`, "event|e1",
			`{"triggerId":"idn:t","subscriptionId":"5ub",` + created + `,"startInvocationInput":{"triggerId":"idn:t"},"Body":{"a":1,"_metadata":{"triggerId":"idn:t"}},"Metadata":{"triggerId":"idn:t"}}`,
		},
		{
			"EventBridge without metadata, a transformer with the type and members of its own", "", `{"env":"prod","detail-type":"idn:t","tags":{"b":2},"detail":{"a":1}}`, "sha256:3b88509209b4f77446f8a52c346d4d7515b7a3e8550730b64081cfa4c57e0310@2026-11-29T12:00Z",
			`{"triggerId":"idn:t",` + created + `,"startInvocationInput":{"triggerId":"idn:t"},"Body":{"a":1,"_metadata":{"triggerId":"idn:t"}},"Metadata":{"triggerId":"idn:t"}}`,
		},
		{
			"EventBridge without metadata, a transformer with the source and members of its own", "t", `{"env":"prod","id":"e1","source":"aws.partner/sailpoint.com/5ub/idn/t","detail":{"a":1}}`, "event|e1",
			`{"triggerId":"idn:t","subscriptionId":"5ub",` + created + `,"startInvocationInput":{"triggerId":"idn:t"},"Body":{"a":1,"_metadata":{"triggerId":"idn:t"}},"Metadata":{"triggerId":"idn:t"}}`,
		},
		{
			"a payload with a member named detail", "t", `{"name":"n","detail":{"a":1}}`, "", "",
		},
		{"strings as they were spelled", "", `{"b":"\u00e9\/` + "\xff" + `","b":1e2,` + meta + `}`, invocationID + "|", row(`{"b":"\u00e9\/` + "\xff" + `","b":1e2,` + meta + `}`)},
		{"deep", "", `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `,` + meta + `}`, invocationID + "|", row(`{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `,` + meta + `}`)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			push := receive(t, hook(nil), tc.rest, tc.body)
			if len(push.Records) != 1 || push.Waiting != strings.Contains(tc.body, "callbackURL") {
				t.Fatalf("%+v", push)
			}
			rec := push.Records[0]
			if tc.row == "" {
				if !strings.Contains(string(rec.Raw), `"Body":{"name":"n","detail":{"a":1}`) {
					t.Errorf("row %s", rec.Raw)
				}
				return
			}
			if diff := cmp.Diff(tc.row, string(rec.Raw)); rec.ID != tc.id || diff != "" {
				t.Errorf("id %s, want %s; row (-want +got):\n%s", rec.ID, tc.id, diff)
			}
			if !strings.Contains(tc.body, "aws.partner") && !rec.Time.Equal(arrival) {
				t.Errorf("time %v", rec.Time)
			}
		})
	}
}

// An array of events is as many records.
func TestPushedArray(t *testing.T) {
	push := receive(t, hook(nil), "t", `[ {"a":1} , {"a":2} ]`)
	if len(push.Records) != 2 || push.Records[0].ID == push.Records[1].ID || string(push.Answer.Body) != "{}" {
		t.Errorf("%+v", push)
	}
}

// One that can't be read costs only itself, wherever it is, and is named without its contents.
func TestPushedArrayWithBadElements(t *testing.T) {
	for name, tc := range map[string]struct {
		body  string
		good  int
		waits bool
	}{
		"a text first":        {`["canary",{"a":1},{"a":2}]`, 2, false},
		"a number between":    {`[{"a":1},17,{"a":2}]`, 2, false},
		"null and a list":     {`[{"a":1},null,[{"a":9}],{"a":2}]`, 2, false},
		"cut in the last one": {`[{"a":1},{"a":2},{"canary":"`, 2, false},
		"cut after one":       {`[{"a":1},{"a":2}`, 2, false},
		"something follows":   {`[{"a":1},{"a":2}] canary`, 2, false},
		"an access request":   {`["canary",{` + accessRequest + `,"_metadata":{"triggerType":"requestResponse","triggerId":"idn:access-request-pre-approval"}}]`, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			push := receive(t, hook(nil), "", tc.body)
			if len(push.Records) != tc.good || push.Waiting != tc.waits || tc.waits && string(push.Answer.Body) != approvalBody {
				t.Errorf("%d records, %+v", len(push.Records), push)
			}
			if !strings.Contains(push.Problem, "of the events that were pushed together can't be read and are lost") || strings.Contains(push.Problem, "canary") {
				t.Errorf("problem: %s", push.Problem)
			}
		})
	}
}

// What will never be good is refused, and the reason shows nothing of it.
func TestPushedBadBodies(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "blanks": " \n", "byte order mark alone": "\xef\xbb\xbf", "a string": `"canary"`, "a number": "17", "null": "null",
		"text": "canary", "a form": "a=canary&b=1", "xml": "<canary/>", "cut": `{"a":"canary`, "an array of texts": `["canary"]`, "an empty array": "[]",
		"an array of nothing good": `["canary",17,{"canary":}]`, "an array that breaks off at once": `[`, "two objects": `{"a":1}{"a":"canary"}`, "a control character": "{\"canary\":\"\x01\"}",
		"too deep": `{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}", "a trailing comma": `{"a":1,}`, "two BOMs": "\xef\xbb\xbf\xef\xbb\xbf{}",
	} {
		push, err := hook(nil).Receive("", []byte(body), arrival)
		if err == nil || strings.Contains(err.Error(), "canary") || len(push.Records) > 0 {
			t.Errorf("%s: got %v, %+v", name, err, push)
		}
	}
	for _, rest := range []string{"a/b", "two words", strings.Repeat("x", 200), "<script>", "a\"b", "é"} {
		if _, err := hook(nil).Receive(rest, []byte(`{"a":1}`), arrival); err == nil || strings.Contains(err.Error(), rest) {
			t.Errorf("address %q: %v", rest, err)
		}
	}
}

// Without an id, an event that comes again within minutes is the same, and later a new one.
func TestPushedIdentityWithoutID(t *testing.T) {
	id := func(body string, at time.Time) string {
		push, err := hook(nil).Receive("", []byte(body), at)
		if err != nil {
			t.Fatal(err)
		}
		return push.Records[0].ID
	}
	first := id(`{"a":1,"_metadata":{"triggerType":"fireAndForget"}}`, arrival)
	if again := id(`{"a":1,"_metadata":{"triggerType":"fireAndForget","x":1}}`, arrival.Add(time.Minute)); again != first {
		t.Errorf("sent again it is another one: %s, %s", first, again)
	}
	if later := id(`{"a":1,"_metadata":{}}`, arrival.Add(10*time.Minute)); later == first {
		t.Error("what happens again is taken for the same")
	}
	if other := id(`{"a":2}`, arrival); other == first {
		t.Error("another event has the same id")
	}
	if other := id(`{"a":1,"_metadata":{"triggerId":"idn:t"}}`, arrival); other == first || other != id(`{"_metadata":{"triggerId":"idn:t"},"a":1}`, arrival) {
		t.Error("the same body of another trigger counts as the same event, or as another one if it is sent again")
	}
}

// Credentials and signed links are in no record.
func TestPushedSecrets(t *testing.T) {
	for _, body := range []string{
		`{"password":"canary","a":{"clientSecret":"canary","list":[{"access_token":"canary"}]},"_metadata":{"secret":"canary","invocationId":"i"}}`,
		`{"signedS3Url":"https://bucket.s3.amazonaws.com/report.zip?X-Amz-Credential=canary&X-Amz-Signature=canary"}`,
		`{"link":"https://bucket.s3.amazonaws.com/report.zip?X-Amz-Date=2&X-Amz-Signature=canary","note":"see https://x.blob.core.windows.net/c/b?sv=2&se=3&sig=canary now"}`,
		`{"text":"{\"secret\":\"canary\"}","detail":{"apiKey":"canary"}}`,
		`{"link":"https://bucket.s3.amazonaws.com/report.zip?X-Amz-Date\u003d2\u0026X-Amz-Signature\u003Dcanary"}`,
		`{"text":"{\"link\":\"https://bucket.s3.amazonaws.com/report.zip?X-Amz-Signature\\u003dcanary\"}"}`,
		`{"text":"{\"link\":\"https://bucket.s3.amazonaws.com/report.zip?X-Amz-Signature=canary\", \"secret\":\"canary\"}"}`,
		`{"link":"bucket.s3.amazonaws.com/report.zip?X-Amz-Date=2&X-Amz-Signature=canary","b":"see bucket.s3.amazonaws.com/report.zip?Signature=canary now"}`,
		`{"link":"https://mail.example/?url=https%3A%2F%2Fx.blob.core.windows.net%2Fb%3Fse%3D3%26sig%3dcanary&data=1","b":"https%3A%2F%2Fİ.example%2Ff%3FX-Amz-Signature%3Dcanary","c":"f%3fX-Amz-Signature%3Dcanary?x=1"}`,
		`{"text":"Ready?https://bucket.s3.amazonaws.com/report.zip?X-Amz-Signature=canary","b":"see:\nhttps://a.example/?b\nhttps://x.blob.core.windows.net/c/b?se=3&sig=canary"}`,
		`{"detail":{"_metadata":{"secret":"canary","callbackURL":"https://elsewhere.example/x"}},"detail-type":"idn:t"}`,
	} {
		push := receive(t, hook(nil), "t", body)
		for _, rec := range push.Records {
			if strings.Contains(string(rec.Raw)+rec.ID, "canary") || !json.Valid(rec.Raw) {
				t.Errorf("%s", rec.Raw)
			}
		}
		if strings.Contains(push.Problem+string(push.Answer.Body), "canary") {
			t.Errorf("problem %s, answer %s", push.Problem, push.Answer.Body)
		}
	}
}

// What a trigger calls itself is shown if it looks like a trigger's id: it may be a value in the wrong
// place.
func TestProblemNamesTrigger(t *testing.T) {
	for id, shown := range map[string]bool{
		"idn:new-trigger": true, "idn:New_2.trigger": true,
		"https://x.example/?sig=canary": false, "idn:canary canary": false, "idn:canary\n": false, "canary": false,
		"eyJhbGciOiJIUzI1NiJ9.canary:canary": false,
	} {
		body := fmt.Sprintf(`{"a":1,"_metadata":{"triggerType":"requestResponse","triggerId":%q,"callbackURL":"https://elsewhere.example/x"}}`, id)
		push := receive(t, hook(nil), "", body)
		if push.Problem == "" || strings.Contains(push.Problem, id) != shown || strings.Contains(push.Problem, "canary") {
			t.Errorf("%q: %s", id, push.Problem)
		}
	}
}

// Rows of push and poll of one invocation agree member by member, but for what a push can't know:
// for every payload of every trigger.
func TestPushAndPollAgree(t *testing.T) {
	g := synth.New(synth.Options{Seed: 7})
	seen := map[string]bool{}
	for i := range 120 {
		inv := g.Invocation(i)
		seen[inv.TriggerID] = true
		inv.Input = withMetadata(inv.Input, fmt.Sprintf(`"_metadata":{"triggerType":"fireAndForget","triggerId":%q,"invocationId":%q}`, inv.TriggerID, inv.ID))
		var polled, pushed map[string]any
		if err := json.Unmarshal([]byte(row(t, string(inv.AppendJSON(nil)))), &polled); err != nil {
			t.Fatal(err)
		}
		push := receive(t, hook(nil), "", string(inv.Input))
		if err := json.Unmarshal(push.Records[0].Raw, &pushed); err != nil {
			t.Fatal(err)
		}
		if push.Records[0].ID != inv.ID+"|" {
			t.Errorf("record id %s", push.Records[0].ID)
		}
		for _, name := range []string{"subscriptionId", "subscriptionName", "type", "completed", "completeInvocationInput"} {
			delete(polled, name)
		}
		delete(polled["startInvocationInput"].(map[string]any), "contentJson")
		polled["created"], pushed["created"] = "", ""
		if diff := cmp.Diff(polled, pushed); diff != "" {
			t.Fatalf("%s (-polled +pushed):\n%s", inv.TriggerID, diff)
		}
	}
	if len(seen) < 30 {
		t.Errorf("only %d triggers were tried", len(seen))
	}
}

// withMetadata replaces the _metadata of a payload.
func withMetadata(payload []byte, meta string) []byte {
	var all map[string]json.RawMessage
	if json.Unmarshal(payload, &all) != nil {
		return payload
	}
	if _, has := all["_metadata"]; has {
		delete(all, "_metadata")
		payload, _ = json.Marshal(all)
	}
	if bytes.Equal(bytes.TrimSpace(payload), []byte("{}")) {
		return []byte("{" + meta + "}")
	}
	return append(payload[:len(payload)-1:len(payload)-1], ","+meta+"}"...)
}

func hookBase() *url.URL { return &url.URL{Scheme: "https", Host: "acme.api.identitynow.com"} }
