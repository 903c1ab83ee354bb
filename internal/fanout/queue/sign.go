package queue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// sharedKey signs each attempt of a request without a body with an account's key.
// https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
type sharedKey struct {
	account string
	key     []byte
}

// Do implements [policy.Policy].
func (s sharedKey) Do(req *policy.Request) (*http.Response, error) {
	raw := req.Raw()
	date := time.Now().UTC().Format(http.TimeFormat)
	raw.Header["x-ms-date"] = []string{date}
	headers := map[string]string{}
	for name, values := range raw.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-ms-") {
			headers[name] = strings.Join(values, ",")
		}
	}
	const standard = 12 // headers that have a line of their own, all empty here
	lines := []string{raw.Method + strings.Repeat("\n", standard-1)}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		lines = append(lines, name+":"+headers[name])
	}
	lines = append(lines, "/"+s.account+raw.URL.EscapedPath())
	query := raw.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		lines = append(lines, strings.ToLower(name)+":"+strings.Join(slices.Sorted(slices.Values(query[name])), ","))
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(strings.Join(lines, "\n")))
	raw.Header.Set("Authorization", "SharedKey "+s.account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return req.Next()
}
