package sailpoint

import (
	"slices"
	"sync/atomic"
)

// The scopes that the API requires, as the admin UI lists them.
const (
	searchScope   = "sp:search:read"
	triggersScope = "sp:trigger-service-invocation-status:read"

	testScope          = "sp:trigger-service-invocation-status:manage"
	subscriptionsScope = "sp:trigger-service-subscriptions:read"
	subscribeScope     = "sp:trigger-service-subscriptions:manage"
)

// endpoint is one operation of the API and what is known about it. Tenants serve the same operation
// under several paths: per service since 2026, and before that under shared versions, which end in
// 2029.
type endpoint struct {
	name   string // for error texts
	method string
	scope  string
	paths  []string // to try, in this order
	// experimental is set for services that were experimental until 2026, when they refused calls
	// without a header that says so; where it is not needed it does no harm.
	experimental bool
	// worked is the index in paths of the path that worked last.
	worked atomic.Int32
	// deprecated is set when the tenant marks the path as deprecated; warn is set with it, until a
	// page has carried the warning.
	deprecated, warn atomic.Bool
}

func newEndpoint(name, method, scope string, paths []string) *endpoint {
	return &endpoint{name: name, method: method, scope: scope, paths: paths}
}

// perService is the version that follows the service's own name in the path.
const perService = "v1"

func searchPaths(version, suffix string) []string {
	return paths(version, []string{perService, "v2025", "v3"}, func(v string) string {
		if v == perService {
			return "/search/v1" + suffix
		}
		return "/" + v + "/search" + suffix
	})
}

// triggersPaths are the paths of a resource of one of the services for triggers.
func triggersPaths(version, service, suffix string) []string {
	return paths(version, []string{perService, "v2025", "beta"}, func(v string) string {
		if v == perService {
			return "/" + service + "/v1" + suffix
		}
		return "/" + v + "/" + service + suffix
	})
}

// paths puts the configured version before the fallbacks.
func paths(version string, fallbacks []string, path func(version string) string) []string {
	if version == "" {
		version = perService
	}
	out := []string{path(version)}
	for _, v := range fallbacks {
		if p := path(v); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}
