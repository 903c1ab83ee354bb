package cli_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/cli"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/file"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

// shelve makes settings for a state with one refused record, whose texts are as
// odd as they get.
func shelve(t *testing.T) *quarantine.Store {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{
		"TENANT_ID": "acme", "CLIENT_ID": "5f0c1a52-9d3e-4c7b-8a61-2e4b7d90c3f1", "CLIENT_SECRET": "secret", "SAILPOINT_BASE_URL": "",
		"CUSTOMER_ID": workspace.DefaultID, "SHARED_KEY": workspace.DefaultKey, "logAnalyticsUri": "",
		"STATE_URL": "file://" + dir, "INGESTION_API": "",
	} {
		t.Setenv(name, value)
	}
	store, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	q := quarantine.New(store, "acme")
	rec := pipeline.Record{ID: "a\x1b[2Jb\n", Time: time.Now(), Raw: jsontext.Value("{\"a\":\"\xff\"\n\n")}
	if err := q.Put(t.Context(), "SailPointIDN_Events", rec, pipeline.RejectedBySink, "line 1\r\n\x1b[31mline 2"); err != nil {
		t.Fatal(err)
	}
	return q
}

func TestDiscardAsks(t *testing.T) {
	for name, test := range map[string]struct {
		answer  string
		removed bool
	}{
		"y": {"y\n", true}, "upper case": {"YES\n", true}, "without an end": {" yes", true},
		"no": {"n\n", false}, "nothing": {"\n", false}, "end": {"", false}, "maybe": {"maybe\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			answer, removed := test.answer, test.removed
			q := shelve(t)
			var out, said bytes.Buffer
			status := cli.Run(t.Context(), cli.Process{
				Args: []string{"quarantine", "discard", "--all"}, Out: &out, Err: &said, In: strings.NewReader(answer),
			})
			n, _, err := q.Count(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			if (n == 0) != removed || (status == 0) != removed || out.Len() > 0 {
				t.Errorf("status %d, %d left, stdout %q", status, n, out.String())
			}
			if !strings.Contains(said.String(), "permanently remove 1 original, 1 of records that were not delivered") {
				t.Errorf("asked: %q", said.String())
			}
			if !removed && !strings.Contains(said.String(), "nothing was removed") {
				t.Errorf("said: %q", said.String())
			}
		})
	}
}

// What came from outside can't move the cursor of a terminal, or fake a line; the
// record itself is shown as it is.
func TestListOfOddTexts(t *testing.T) {
	shelve(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"list"}, "a [2Jb  line 1 [31mline 2\n"},
		{[]string{"show", "a\x1b[2Jb\n"}, "detail: line 1 [31mline 2\n"},
	} {
		var out, said bytes.Buffer
		status := cli.Run(t.Context(), cli.Process{Args: append([]string{"quarantine"}, test.args...), Out: &out, Err: &said})
		if status != 0 || !strings.Contains(out.String(), test.want) || strings.ContainsAny(out.String(), "\x1b\r") {
			t.Errorf("%q: status %d, %q, %q", test.args, status, out.String(), said.String())
		}
	}
	var out bytes.Buffer
	cli.Run(t.Context(), cli.Process{Args: []string{"quarantine", "show", "--raw", "a\x1b[2Jb\n"}, Out: &out, Err: &out})
	if out.String() != "{\"a\":\"\xff\"\n\n" {
		t.Errorf("raw: %q", out.String())
	}
}

// What could not be read is shown as it came, is never sent, and can be discarded.
func TestUnreadableOriginal(t *testing.T) {
	q := shelve(t)
	rec := pipeline.Record{ID: "unreadable:1", Time: time.Now(), Raw: jsontext.Value("nul\x00")}
	if err := q.Put(t.Context(), "SailPointIDN_Events", rec, pipeline.Unreadable, "it is cut"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"list", "--reason", "unreadable"}, 0, "unreadable:1  it is cut\n"},
		{[]string{"show", "--raw", "unreadable:1"}, 0, "nul\x00"},
		{[]string{"resend", "--dry-run", "unreadable:1"}, 1, "would keep unreadable:1: unreadable: it was received like this and can't be sent as a row"},
		{[]string{"discard", "--yes", "unreadable:1"}, 0, ""},
		{[]string{"list", "--reason", "unreadable"}, 0, ""},
	} {
		var out, said bytes.Buffer
		status := cli.Run(t.Context(), cli.Process{Args: append([]string{"quarantine"}, test.args...), Out: &out, Err: &said})
		if status != test.status || !strings.Contains(out.String(), test.want) || test.want == "" && out.Len() > 0 {
			t.Errorf("%q: status %d, %q, %q", test.args, status, out.String(), said.String())
		}
	}
}
