package state

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"strings"
)

// TenantElement makes the first element of a tenant's keys from its name, host
// or URL: the host name in lower case, without scheme, user, port and path. So
// a stand-in tenant keeps its state when its port changes. A name with
// characters that a key can't hold is spelled with "-" in their place and told
// from its like by a hash.
func TenantElement(tenant string) string {
	host := strings.TrimSpace(tenant)
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host = rest
	}
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host = host[:i]
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimRight(strings.ToLower(host), ".")

	safe := strings.Map(func(r rune) rune {
		if r < 0x80 && keyByte(byte(r)) {
			return r
		}
		return '-'
	}, host)
	if safe == host && host != "" && len(host) <= maxElement {
		return host
	}
	sum := sha256.Sum256([]byte(host))
	return strings.TrimLeft(safe[:min(len(safe), 60)]+"-"+hex.EncodeToString(sum[:4]), "-.")
}
