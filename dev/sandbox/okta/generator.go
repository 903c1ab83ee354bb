package okta

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Generator makes the events of a synthetic org. The zero value is ready for use.
type Generator struct {
	Seed int64
	// Start is when event 0 is published, cut to milliseconds. Zero means 2026-09-01T00:00:00Z.
	Start time.Time
	// Every is the time from one event to the next. 0 means 100 ms.
	Every time.Duration
}

// Published is when an event is published.
func (g Generator) Published(i int) time.Time {
	start := g.Start
	if start.IsZero() {
		start = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	}
	return start.Truncate(time.Millisecond).Add(time.Duration(i) * cmp.Or(g.Every, 100*time.Millisecond)).Truncate(time.Millisecond).UTC()
}

// UUID is the id of an event.
func (g Generator) UUID(i int) string {
	h := g.number(i, 0)
	return fmt.Sprintf("%08x-%04x-11f1-%04x-%012x", uint32(h), uint16(h>>32), 0x8000|uint16(h>>48)&0x3fff, uint64(i)&0xffffffffffff)
}

// Event is an event that is persisted when it is published; its JSON is made when it is asked for.
func (g Generator) Event(i int) Event {
	return Event{UUID: g.UUID(i), Published: g.Published(i), Make: func() []byte { return g.Raw(i) }}
}

// number is a pseudorandom number for an event and a purpose.
func (g Generator) number(i, purpose int) uint64 {
	x := uint64(g.Seed)*0x9e3779b97f4a7c15 + uint64(i)*0xbf58476d1ce4e5b9 + uint64(purpose)*0x94d049bb133111eb
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

func (g Generator) pick(i, purpose, n int) int { return int(g.number(i, purpose) % uint64(n)) }

// kind is a type of event.
type kind struct {
	name, legacy, message, severity string
	debug                           func(g Generator, i int) string // members of debugData
	target                          func(g Generator, i int) string
	provider                        string // JSON
	fails                           int    // per cent
}

func kinds() []kind {
	return []kind{
		{"user.session.start", "core.user_auth.login_success", "User login to Okta", "INFO", signIn, none, `"OKTA_AUTHENTICATION_PROVIDER"`, 15},
		{"user.authentication.sso", "app.auth.sso", "User single sign on to app", "INFO", sso, app, `"ACTIVE_DIRECTORY"`, 0},
		{"user.authentication.auth_via_mfa", "core.user.factor.attempt_success", "Authentication of user via MFA", "INFO", mfa, factor, `"FACTOR_PROVIDER"`, 10},
		{"policy.evaluate_sign_on", "app.oauth2.signon", "Evaluation of sign-on policy", "INFO", signIn, policy, "null", 5},
		{"group.user_membership.add", "core.user_group_member.user_add", "Add user to group membership", "INFO", plain, member, "null", 0},
		{"user.account.lock", "core.user_auth.account_locked", "Max sign in attempts exceeded", "WARN", signIn, none, `"OKTA_AUTHENTICATION_PROVIDER"`, 100},
		{"system.import.complete", "app.user_management.import.complete", "Import finished", "INFO", imported, app, "null", 0},
		{"application.user_membership.add", "app.generic.provision.assign_user_to_app", "Add user to application membership", "INFO", assigned, app, "null", 0},
	}
}

// Raw is the JSON of an event. The names and addresses are made up.
func (g Generator) Raw(i int) []byte {
	all := kinds()
	k := all[g.pick(i, 1, len(all))]
	user := g.pick(i, 2, 400)
	result, reason, severity := `"SUCCESS"`, "null", k.severity
	if g.pick(i, 3, 100) < k.fails {
		result, reason, severity = `"FAILURE"`, `"INVALID_CREDENTIALS"`, "WARN"
	}
	actor := fmt.Sprintf(`{"id":"00u%017x","type":"User","alternateId":"person%d@example.com","displayName":"Person %d","detailEntry":null}`, g.number(user, 4), user, user)
	session := fmt.Sprintf(`"102%x"`, g.number(user, 5))
	if g.pick(i, 6, 8) == 0 {
		session = `"unknown"`
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"actor":%s,"client":%s,"device":null,`, actor, g.client(i))
	fmt.Fprintf(&b, `"authenticationContext":{"authenticationProvider":%s,"credentialProvider":null,"credentialType":null,"issuer":null,"interface":null,"authenticationStep":0,"rootSessionId":%s,"externalSessionId":%s},`, k.provider, session, session)
	fmt.Fprintf(&b, `"displayMessage":"%s","eventType":"%s","outcome":{"result":%s,"reason":%s},"published":"%s",`, k.message, k.name, result, reason, g.Published(i).Format(timeLayout))
	fmt.Fprintf(&b, `"securityContext":{"asNumber":%d,"asOrg":"example networks","isp":"example networks","domain":"example.net","isProxy":%v},`, 64500+g.pick(i, 7, 10), g.pick(i, 8, 20) == 0)
	fmt.Fprintf(&b, `"severity":"%s","debugContext":{"debugData":{%s}},"legacyEventType":"%s",`, severity, k.debug(g, i), k.legacy)
	fmt.Fprintf(&b, `"transaction":{"type":"WEB","id":"%s","detail":{}},"uuid":"%s","version":"0",`, g.short(i, 9), g.UUID(i))
	fmt.Fprintf(&b, `"request":{"ipChain":[{"ip":"%s","geographicalContext":%s,"version":"V4","source":null}]},"target":%s}`, g.ip(i), g.place(i), k.target(g, i))
	return []byte(b.String())
}

func (g Generator) short(i, purpose int) string {
	return fmt.Sprintf("%016xAAAB%06x", g.number(i, purpose), g.number(i, purpose+1)&0xffffff)
}

// ip is an address of the networks for documentation.
func (g Generator) ip(i int) string {
	return fmt.Sprintf("%s.%d", []string{"192.0.2", "198.51.100", "203.0.113"}[g.pick(i, 20, 3)], g.pick(i, 21, 40))
}

func (g Generator) place(i int) string {
	return []string{
		`{"city":"Springfield","state":"Illinois","country":"United States","postalCode":"62701","geolocation":{"lat":39.7997,"lon":-89.6436}}`,
		`{"city":"Berlin","state":"Berlin","country":"Germany","postalCode":"10115","geolocation":{"lat":52.5323,"lon":13.3846}}`,
		`null`,
	}[g.pick(i, 22, 3)]
}

func (g Generator) client(i int) string {
	return fmt.Sprintf(`{"userAgent":{"rawUserAgent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.%d Safari/537.36","os":"Windows 10","browser":"CHROME"},"zone":"null","device":"Computer","id":null,"ipAddress":"%s","geographicalContext":%s}`,
		g.pick(i, 23, 50), g.ip(i), g.place(i))
}

func signIn(g Generator, i int) string {
	return fmt.Sprintf(`"deviceFingerprint":"%s","requestId":"%s","dtHash":"%x%x","risk":"{reasons=Anomalous Device, level=%s}","requestUri":"/idp/idx/identify","threatSuspected":"false","targetEventHookIds":"whk%x","url":"/idp/idx/identify?","behaviors":"{New Geo-Location=NEGATIVE, New Device=POSITIVE}","logOnlySecurityData":"{\"risk\":{\"level\":\"LOW\"},\"behaviors\":{\"New IP\":\"NEGATIVE\"}}"`,
		g.fingerprint(i), g.short(i, 30), g.number(i, 32), g.number(i, 33), []string{"LOW", "MEDIUM", "HIGH"}[g.pick(i, 34, 3)], g.number(i, 35))
}

// fingerprint looks like a GUID or not.
func (g Generator) fingerprint(i int) string {
	h := fmt.Sprintf("%016x%016x", g.number(i, 36), g.number(i, 37))
	if g.pick(i, 38, 2) == 0 {
		return h
	}
	return h[:30]
}

func sso(g Generator, i int) string {
	return fmt.Sprintf(`"initiationType":"IDP_INITIATED","signOnMode":"SAML 2.0","authnRequestId":"%s","requestId":"%s","requestUri":"/app/example/sso/saml","url":"/app/example/sso/saml?"`, g.short(i, 40), g.short(i, 42))
}

func mfa(g Generator, i int) string {
	return fmt.Sprintf(`"factor":"OKTA_VERIFY_PUSH","factorIntent":"AUTHENTICATION","requestId":"%s","requestUri":"/api/v1/authn/factors/x/verify","threatSuspected":"false","url":"/api/v1/authn/factors/x/verify?"`, g.short(i, 44))
}

func plain(g Generator, i int) string {
	return fmt.Sprintf(`"requestId":"%s","requestUri":"/api/v1/groups/x/users","url":"/api/v1/groups/x/users?"`, g.short(i, 46))
}

func imported(g Generator, i int) string {
	return fmt.Sprintf(`"appname":"active_directory","importTrigger":"SCHEDULED","importType":"INCREMENTAL","jobId":"ij%x"`, g.number(i, 48))
}

func assigned(g Generator, i int) string {
	return fmt.Sprintf(`"groupAppAssignmentId":"gra%x","requestId":"%s"`, g.number(i, 49), g.short(i, 50))
}

func none(g Generator, i int) string {
	return []string{"null", "[]"}[g.pick(i, 60, 2)]
}

func app(g Generator, i int) string {
	n := g.pick(i, 61, 12)
	return fmt.Sprintf(`[{"id":"0oa%x","type":"AppInstance","alternateId":"Example App %d","displayName":"Example App %d","detailEntry":{"signOnModeType":"SAML_2_0"}},{"id":"0ua%x","type":"AppUser","alternateId":"person@example.com","displayName":"Person","detailEntry":null}]`,
		g.number(n, 62), n, n, g.number(i, 63))
}

func factor(g Generator, i int) string {
	return fmt.Sprintf(`[{"id":"00u%x","type":"User","alternateId":"person@example.com","displayName":"Person","detailEntry":{"methodTypeUsed":"Use Okta FastPass","methodUsedVerifiedProperties":"[USER_PRESENCE]"}}]`, g.number(i, 64))
}

func policy(g Generator, i int) string {
	return fmt.Sprintf(`[{"id":"00p%x","type":"PolicyEntity","alternateId":"unknown","displayName":"Default Policy","detailEntry":{"policyType":"OktaSignOn"}}]`, g.number(i, 65))
}

func member(g Generator, i int) string {
	return fmt.Sprintf(`[{"id":"00u%x","type":"User","alternateId":"person@example.com","displayName":"Person","detailEntry":null},{"id":"00g%x","type":"UserGroup","alternateId":"unknown","displayName":"Everyone","detailEntry":null}]`, g.number(i, 66), g.number(i, 67))
}
