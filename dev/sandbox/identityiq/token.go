package identityiq

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// serveToken is the client credentials grant with HTTP Basic.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) {
		writeJSON(w, status, "application/json", struct {
			Error string `json:"error"`
		}{code})
	}
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		refuse(http.StatusBadRequest, "invalid_request")
		return
	}
	var grant string
	switch s.Token {
	case InBody:
		grant = r.PostForm.Get("grant_type")
	case InQuery:
		grant = r.URL.Query().Get("grant_type")
	case Either:
		grant = r.Form.Get("grant_type")
	}
	id, secret, basic := r.BasicAuth()
	if unescaped, err := url.QueryUnescape(secret); err == nil && secret != s.ClientSecret {
		secret = unescaped // RFC 6749 has it encoded
	}
	switch {
	case grant == "":
		refuse(http.StatusBadRequest, "invalid_request")
	case grant != "client_credentials":
		refuse(http.StatusBadRequest, "unsupported_grant_type")
	case !basic, id == "", secret == "", id != cmp.Or(s.ClientID, id), secret != cmp.Or(s.ClientSecret, secret):
		w.Header().Set("WWW-Authenticate", `Basic realm="IdentityIQ"`)
		refuse(http.StatusUnauthorized, "invalid_client")
	default:
		s.grant(w)
	}
}

func (s *Server) grant(w http.ResponseWriter) {
	ttl := cmp.Or(s.TokenTTL, 1200*time.Second)
	token := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "synthetic iiq token %d ÿþ+/?", s.next()))
	s.mu.Lock()
	if s.tokens == nil {
		s.tokens = make(map[string]time.Time)
	}
	s.tokens[token] = time.Now().Add(ttl)
	s.issued = append(s.issued, token)
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, "application/json", struct {
		ExpiresIn   int    `json:"expires_in"`
		TokenType   string `json:"token_type"`
		AccessToken string `json:"access_token"`
	}{int(ttl / time.Second), "bearer", token})
}

// RevokeTokens makes all tokens so far invalid.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Tokens returns every token that was issued, for tests that look for them where they must not be.
func (s *Server) Tokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.issued)
}

// authorized reports whether a request may do what needs the right, and answers if it may not.
func (s *Server) authorized(w http.ResponseWriter, r *http.Request, right string) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	expires, known := s.tokens[token]
	s.mu.Unlock()
	if !ok || !known || !time.Now().Before(expires) {
		writePage(w, http.StatusUnauthorized, "HTTP Status 401 – Unauthorized")
		return false
	}
	if r.Method != http.MethodGet {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return false
	}
	if right != "" && s.Rights != nil && !slices.Contains(s.Rights, right) {
		writePage(w, http.StatusForbidden, "HTTP Status 403 – Forbidden")
		return false
	}
	return true
}
