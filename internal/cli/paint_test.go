package cli_test

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/cli"
)

func TestWrapped(t *testing.T) {
	for _, tc := range []struct {
		name, text          string
		width, used, indent int
		want                string
	}{
		{"fits", "one two", 20, 5, 5, "one two"},
		{"to the last column", "one two", 12, 5, 5, "one two"},
		{"one too many", "one two", 11, 5, 5, "one\n     two"},
		{"a word that is too long", "a https://127.0.0.1:7801/v3 b", 10, 2, 2, "a\n  https://127.0.0.1:7801/v3\n  b"},
		{"letters, not bytes", "äöü äöü", 7, 0, 0, "äöü äöü"},
		{"a colour takes no room", "\x1b[1;31mone\x1b[0m two", 7, 0, 0, "\x1b[1;31mone\x1b[0m two"},
		{"nothing", "", 10, 2, 2, ""},
	} {
		if diff := cmp.Diff(tc.want, cli.Wrapped(tc.text, tc.width, tc.used, tc.indent)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// check runs a check of a tenant whose secret is wrong.
func check(t *testing.T, width int) string {
	t.Helper()
	server := httptest.NewServer(&tenant.Tenant{Name: "acme", ClientID: "5f0c1a52-9d3e-4c7b-8a61-2e4b7d90c3f1", ClientSecret: "right"})
	defer server.Close()
	for name, value := range map[string]string{
		"TENANT_ID": "acme", "SAILPOINT_BASE_URL": server.URL, "CLIENT_ID": "5f0c1a52-9d3e-4c7b-8a61-2e4b7d90c3f1", "CLIENT_SECRET": "wrong",
	} {
		t.Setenv(name, value)
	}
	p := cli.Process{Args: []string{"check", "--ingestion-api", "ndjson"}}
	var out, said bytes.Buffer
	p.Out, p.Err = &out, &said
	if width > 0 {
		p.OutWidth = func() int { return width }
	}
	if status := cli.Run(t.Context(), p); status != 1 {
		t.Errorf("status %d: %s%s", status, out.String(), said.String())
	}
	return out.String()
}

// Colours are for terminals whose user wants them, and a check ends with a verdict and the next step.
func TestCheckOnATerminal(t *testing.T) {
	for _, tc := range []struct {
		name          string
		width         int
		noColor, term string
		colours       bool
	}{
		{"a pipe", 0, "", "xterm", false},
		{"a terminal", 120, "", "xterm", true},
		{"NO_COLOR", 120, "1", "xterm", false},
		{"a dumb terminal", 120, "", "dumb", false},
		{"40 columns", 40, "1", "xterm", false},
		{"100 columns", 100, "1", "xterm", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", tc.noColor)
			t.Setenv("TERM", tc.term)
			out := check(t, tc.width)
			if got := strings.Contains(out, "\x1b["); got != tc.colours {
				t.Errorf("colours: %v\n%s", got, out)
			}
			if got := strings.Contains(out, "\x1b[1;31mFAIL\x1b[0m     token"); got != tc.colours {
				t.Errorf("FAIL in red: %v\n%s", got, out)
			}
			flat := strings.Join(strings.Fields(out), " ")
			if !strings.Contains(flat, "checks failed, and") || !strings.Contains(flat, "Next: correct token, then run this check again.") {
				t.Errorf("no verdict:\n%s", out)
			}
			for line := range strings.Lines(out) {
				words := strings.Fields(line)
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n ")); !tc.colours && tc.width > 0 && n > tc.width && len(words) > 1 && len(words[0]) < 9 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
}
