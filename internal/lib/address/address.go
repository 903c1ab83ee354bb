// Package address holds the rules for addresses and ids of services, each in one place: the reader
// of settings checks with them, and adapters rely on that.
package address

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Parse reads the address of a service: https, or plain http to this machine, without a user name,
// a query or a fragment. The result has no slash at its end. Errors say what to do and do not show
// the text, which may carry a signature or a password.
func Parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case !strings.Contains(text, "://") && bareHost.MatchString(text):
		return nil, errors.New("lacks https:// in front of the host: write it like https://host")
	case err != nil || u.Hostname() == "":
		return nil, errors.New("is not an absolute URL: write it as https://host")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("must not contain a user name, a query or a fragment: keep only https://host and the path")
	case strings.HasPrefix(u.Path, "//") && (strings.EqualFold(u.Hostname(), "https") || strings.EqualFold(u.Hostname(), "http")):
		return nil, errors.New("has https:// twice: keep one")
	case strings.HasSuffix(u.Host, ":"):
		return nil, errors.New("has a colon after the host, and no port: omit it")
	case u.Port() != "" && !isPort(u.Port()):
		return nil, errors.New("has a port that is not a number from 1 to 65535")
	case !isHost(u.Hostname()):
		return nil, errors.New("has a host that can't exist: it must be letters, digits and dashes, with single dots between them; check for a comma or a blank that was copied along")
	case u.Scheme == "http" && strings.HasSuffix(strings.ToLower(u.Hostname()), ".localhost"):
		return nil, errors.New("uses http with a name that DNS may resolve to another machine: write localhost or 127.0.0.1, or use https")
	case u.Scheme == "http" && !Loopback(u.Hostname()):
		return nil, errors.New("uses http for a host other than this machine: use https")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("must begin with https://")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && 0 < n && n <= 65535
}

// isHost reports whether a host may exist: an address, or a name of labels. Letters beyond ASCII are
// left to the callers.
func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	host = strings.TrimSuffix(host, ".")
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool {
			return r < unicode.MaxASCII && r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
		}) {
			return false
		}
	}
	return true
}

// Canonical returns an address in the form in which two spellings of one are equal.
func Canonical(u *url.URL) string {
	same := *u
	same.Host = strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if strings.Contains(same.Host, ":") { // IPv6
		same.Host = "[" + same.Host + "]"
	}
	usual := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	if port := u.Port(); port != "" && port != usual {
		same.Host += ":" + port
	}
	return same.String()
}

// Loopback reports whether a host is this machine, the only one that may use plain http. Names that
// end in .localhost do not count: not every resolver maps them to this machine.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

var (
	// bareHost has at least one dot, and optionally a port and a path.
	bareHost      = regexp.MustCompile(`^[\w-]+(\.[\w-]+)+(:\d+)?(/|$)`)
	workspaceHost = regexp.MustCompile(`(?i)^([\w-]+)\.ods\.opinsights\.azure\.(com|us|cn)$`)
	ingestionHost = regexp.MustCompile(`(?i)^([\w-]+\.)+ingest\.monitor\.azure\.(com|us|cn)$`)
	guid          = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	ruleID        = regexp.MustCompile(`^dcr-[0-9a-f]{32}$`)
	accountName   = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`)
)

// Workspace returns the id in the address of a workspace's Data Collector API, in the
// public cloud, US Government or China.
func Workspace(u *url.URL) (id string, ok bool) {
	m := workspaceHost.FindStringSubmatch(u.Host)
	if m == nil || u.Scheme != "https" || u.Path != "" {
		return "", false
	}
	return m[1], true
}

// OfWorkspace is the address of a workspace's Data Collector API in the public cloud.
func OfWorkspace(id string) *url.URL {
	return &url.URL{Scheme: "https", Host: id + ".ods.opinsights.azure.com"}
}

// Ingestion reports whether an address belongs to a data collection rule or endpoint.
func Ingestion(u *url.URL) bool {
	return u.Scheme == "https" && u.Path == "" && ingestionHost.MatchString(u.Host)
}

// GUID reports whether a text has the form of a GUID, like the ids of workspaces and identities.
func GUID(text string) bool { return guid.MatchString(text) }

// RuleID reports whether a text is the immutable id of a data collection rule.
func RuleID(text string) bool { return ruleID.MatchString(text) }

// Account reports whether a storage account can have that name.
func Account(name string) bool { return accountName.MatchString(name) }

// Container reports whether a blob container can have that name.
func Container(name string) bool { return len(name) <= 63 && containerName.MatchString(name) }
