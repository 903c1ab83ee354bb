package okta

import "testing"

func TestNextOf(t *testing.T) {
	const next = "https://acme.okta.com/api/v1/logs?after=1,2&limit=1000"
	for name, test := range map[string]struct {
		headers []string
		want    string
	}{
		"two lines":                  {[]string{`<https://acme.okta.com/api/v1/logs>; rel="self"`, `<` + next + `>; rel="next"`}, next},
		"one line":                   {[]string{`<https://acme.okta.com/api/v1/logs>; rel="self", <` + next + `>; rel="next"`}, next},
		"next first":                 {[]string{`<` + next + `>; rel="next", <https://acme.okta.com/api/v1/logs>; rel="self"`}, next},
		"comma in a parameter":       {[]string{`<https://x>; title="a, <b>; rel=\"next\""; rel="self", <` + next + `>; rel="next"`}, next},
		"rel without quotes":         {[]string{`<` + next + `>;rel=next`}, next},
		"several relations":          {[]string{`<` + next + `>; rel="last next"`}, next},
		"upper case":                 {[]string{`<` + next + `>; REL="Next"`}, next},
		"first rel counts":           {[]string{`<https://x>; rel="self"; rel="next"`}, ""},
		"blanks":                     {[]string{` , <` + next + `> ; a ; b = c ; rel = "next" `}, next},
		"garbage before":             {[]string{`garbage, <` + next + `>; rel="next"`}, next},
		"target without an end":      {[]string{`<https://x; rel="next"`}, ""},
		"parameter without an end":   {[]string{`<https://x>; title="a; rel="next"`}, ""},
		"relation without parameter": {[]string{`<https://x>; rel`}, ""},
		"none":                       {nil, ""},
	} {
		if got := nextOf(test.headers); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// Whatever a header holds, reading it ends, and a link comes out of it as it is.
func FuzzNextOf(f *testing.F) {
	f.Add(`<https://x>; title="a, <b>"; rel="self", <https://y?a=1,2>; rel="next"`)
	f.Add(`<;=",>`)
	f.Fuzz(func(t *testing.T, header string) {
		_ = nextOf([]string{header})
		if got := nextOf([]string{`<https://y?a=1,2>; rel="next", ` + header}); got != "https://y?a=1,2" {
			t.Errorf("got %q", got)
		}
	})
}
