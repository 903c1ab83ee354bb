package identityiq

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("encode an answer: " + err.Error())
	}
	write(w, status, kind, body)
}

func write(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func writePage(w http.ResponseWriter, status int, title string) {
	w.Header().Set("Content-Type", "text/html;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<!DOCTYPE html>\n<html><head><title>"+title+"</title></head><body></body></html>\n")
}

func writeLogin(w http.ResponseWriter) {
	writePage(w, http.StatusOK, "SailPoint IdentityIQ - Sign in to IdentityIQ")
}

// scimError is an error as RFC 7644 words it.
func scimError(w http.ResponseWriter, status int, detail string) {
	writeJSON(w, status, "application/scim+json", struct {
		Schemas []string `json:"schemas"`
		Status  string   `json:"status"`
		Detail  string   `json:"detail"`
	}{[]string{"urn:ietf:params:scim:api:messages:2.0:Error"}, strconv.Itoa(status), detail})
}
