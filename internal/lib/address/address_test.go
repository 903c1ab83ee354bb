package address_test

import (
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"https://host":                "https://host",
		"https://host/":               "https://host",
		"https://host:8443/a/b//":     "https://host:8443/a/b",
		"http://localhost:7802":       "http://localhost:7802",
		"http://LOCALHOST":            "http://LOCALHOST",
		"http://127.8.8.8":            "http://127.8.8.8",
		"http://[::1]:8080/":          "http://[::1]:8080",
		"http://ws.localhost:7802":    "that DNS may resolve",
		"https://ws.localhost:7802":   "https://ws.localhost:7802",
		"http://localhost.example":    "other than this machine",
		"http://10.0.0.1":             "other than this machine",
		"http://128.0.0.1":            "other than this machine",
		"host":                        "not an absolute URL",
		"host.example":                "lacks https:// in front of the host",
		"host.example:8443/a":         "lacks https:// in front of the host",
		"acme.api.identitynow.com/v3": "lacks https:// in front of the host",
		"https://":                    "not an absolute URL",
		"https://%zz":                 "not an absolute URL",
		"ftp://host":                  "begin with https://",
		"https://me:canary@host":      "user name",
		"https://host?sig=canary":     "a query",
		"https://host?":               "a query",
		"https://host#canary":         "a fragment",
		"http://169.254.169.254/meta": "other than this machine",
		"https://https://host":        "has https:// twice",
		"https://http://host":         "has https:// twice",
		"https://host:":               "a colon after the host",
		"https://host:99999":          "not a number from 1 to 65535",
		"https://host:0":              "not a number from 1 to 65535",
		"https://host.example,":       "a host that can't exist",
		"https://host.example;":       "a host that can't exist",
		"https://host..example":       "a host that can't exist",
		"https://.host.example":       "a host that can't exist",
		"https://.":                   "a host that can't exist",
		"https://host.example.":       "https://host.example.",
		"https://my_host.example":     "https://my_host.example",
		"https://[fe80::1%25eth0]:1":  "https://[fe80::1%25eth0]:1",
		"https://" + strings.Repeat("a", 64) + ".example": "a host that can't exist",
	} {
		t.Run(text, func(t *testing.T) {
			u, err := address.Parse(text)
			switch {
			case strings.HasPrefix(want, "http"):
				if err != nil || u.String() != want {
					t.Errorf("%v, %v, want %s", u, err, want)
				}
			case err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary"):
				t.Errorf("%v, want an error with %q", err, want)
			}
		})
	}
}
