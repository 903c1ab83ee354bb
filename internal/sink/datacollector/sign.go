package datacollector

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
)

const contentType = "application/json"

// Signature signs a post of length bytes (not characters). date is the value of
// its x-ms-date header, in RFC 1123 format in GMT. key is the decoded workspace
// key. Microsoft defines the signed text under "Authorization" on the page about
// the HTTP Data Collector API.
func Signature(key []byte, length int, date string) string {
	mac := hmac.New(sha256.New, key)
	text := make([]byte, 0, 128)
	text = append(text, "POST\n"...)
	text = strconv.AppendInt(text, int64(length), 10)
	text = append(text, "\n"+contentType+"\nx-ms-date:"...)
	text = append(text, date...)
	text = append(text, "\n/api/logs"...)
	mac.Write(text)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
