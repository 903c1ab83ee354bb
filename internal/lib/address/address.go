// Package address holds the rules for addresses and ids of services, each in one place:
// what reads settings checks with them, and adapters rely on it.
package address

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// Parse reads the address of a service: https, or plain http to this machine, without a
// user name, a query or a fragment. The result has no slash at its end. Errors say what
// to do and don't show the text: it may carry a signature or a password.
func Parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		return nil, errors.New("is not an absolute URL: write it like https://host")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("must not carry a user name, a query or a fragment: keep only https://host and the path")
	case u.Scheme == "http" && strings.HasSuffix(strings.ToLower(u.Hostname()), ".localhost"):
		return nil, errors.New("uses http to a name that a name server may answer for: write localhost or 127.0.0.1, or use https")
	case u.Scheme == "http" && !Loopback(u.Hostname()):
		return nil, errors.New("uses http to a host that is not this machine: use https")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("must begin with https://")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

// Loopback says whether a host is this machine, the only one for plain http. Names that
// end in .localhost are not: not every resolver answers for them itself.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
