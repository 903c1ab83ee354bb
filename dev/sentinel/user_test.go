package sentinel_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// person is an event as SailPoint records it, and who did it.
type person struct {
	name, typ, action, technical   string
	actor, userID, target          string // empty: the member is null
	user, suffix, doneBy, activity string
	bySystem                       bool
}

// people has the shapes that SailPoint publishes: the sample data of its
// integration for Amazon Security Lake (an AUTH event with the actor System and
// the name in attributes.userId) and the example of its SDKs (a generic action,
// the actor System, and the name as the target).
var people = []person{
	{name: "an actor", typ: "AUTH", action: "AUTHENTICATION-100", actor: "Ann.Lee", target: "Ann.Lee", user: "Ann.Lee", doneBy: "Ann.Lee", activity: "AUTHENTICATION-100"},
	{name: "System, and a user id", typ: "AUTH", action: "AUTHENTICATION-303", actor: "System", userID: "john.doe", target: "john.doe", user: "john.doe", doneBy: "john.doe", activity: "AUTHENTICATION-303"},
	{name: "System, and a target", typ: "SYSTEM_CONFIG", action: "update", technical: "AUTHENTICATION_REQUEST_PASSED", actor: "System", target: "Carol.Adams", user: "Carol.Adams", doneBy: "System", activity: "AUTHENTICATION_REQUEST_PASSED", bySystem: true},
	{name: "SYSTEM in capitals", typ: "PASSWORD_ACTIVITY", action: "USER_PASSWORD_UPDATE_PASSED", actor: "SYSTEM", target: "john.doe", user: "john.doe", doneBy: "SYSTEM", activity: "USER_PASSWORD_UPDATE_PASSED", bySystem: true},
	{name: "not available", typ: "AUTH", action: "AUTHENTICATION-240", actor: "Not Available", target: "o'brien@example.com", user: "o'brien@example.com", suffix: "example.com", doneBy: "Not Available", activity: "AUTHENTICATION-240", bySystem: true},
	{name: "unknown, and a user id with a dash", typ: "AUTH", action: "AUTHENTICATION-240", actor: "unknown", userID: "Mary-Ann@example.com", user: "Mary-Ann@example.com", suffix: "example.com", doneBy: "Mary-Ann@example.com", activity: "AUTHENTICATION-240"},
	{name: "no actor", typ: "PROVISIONING", action: "delete", technical: "IDENTITY_DELETE_PASSED", target: "ann", user: "ann", activity: "IDENTITY_DELETE_PASSED", bySystem: true},
	{name: "nobody", typ: "PROVISIONING", action: "DeleteAccount", actor: "System", target: "System", doneBy: "System", activity: "DeleteAccount", bySystem: true},
	{name: "nothing", bySystem: true},
}

func (p person) doc(id int) kqltest.Doc {
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return kqltest.Doc{
		"id": fmt.Sprint("e", id), "created": "2026-09-02T11:00:00Z", "org": "acme", "type": null(p.typ), "action": null(p.action), "technicalName": null(p.technical), "status": "PASSED",
		"actor": kqltest.Doc{"name": null(p.actor)}, "target": kqltest.Doc{"name": null(p.target)}, "attributes": kqltest.Doc{"userId": null(p.userID)},
	}
}

// TestUser: the same person out of each table.
func TestUser(t *testing.T) {
	for name, put := range map[string]func(kqltest.Doc) *kqltest.Scene{
		"classic": func(d kqltest.Doc) *kqltest.Scene {
			s := kqltest.NewScene(t, now)
			s.Classic(kqltest.EventsTable, d)
			return s
		},
		"DCR": func(d kqltest.Doc) *kqltest.Scene {
			s := kqltest.NewScene(t, now, "events-dcr")
			s.DCR(kqltest.EventsTable, d)
			return s
		},
		"ISC": func(d kqltest.Doc) *kqltest.Scene { s := kqltest.NewScene(t, now, "events-isc"); s.ISC(d); return s },
	} {
		for i, p := range people {
			local, _, _ := strings.Cut(p.user, "@")
			want := kqltest.Row{
				"User": p.user, "UserKey": strings.ToLower(p.user), "UserName": local, "UserUPNSuffix": p.suffix,
				"DoneBy": p.doneBy, "BySystem": p.bySystem, "Activity": p.activity,
			}
			rows := put(p.doc(i)).Run(t, "SailPointIDNEvents").Pick("User", "UserKey", "UserName", "UserUPNSuffix", "DoneBy", "BySystem", "Activity")
			if len(rows) != 1 {
				t.Fatalf("%s, %s: %d rows", name, p.name, len(rows))
			}
			for column, v := range want {
				if rows[0][column] != v {
					t.Errorf("%s, %s: %s is %q, want %q", name, p.name, column, rows[0][column], v)
				}
			}
		}
	}
}

// TestActivity: a name finds the action or the technical name.
func TestActivity(t *testing.T) {
	s := kqltest.NewScene(t, now, "events-isc")
	for i, d := range []kqltest.Doc{
		{"action": "delete", "technicalName": "IDENTITY_DELETE_PASSED"},
		{"action": "IDENTITY_DELETE_PASSED", "technicalName": "OTHER"},
		{"action": "OTHER", "technicalName": "identity_delete_passed"},
		{"action": "OTHER", "technicalName": "OTHER"},
	} {
		d["id"], d["created"] = strconv.Itoa(i), "2026-09-02T11:00:00Z"
		s.ISC(d)
	}
	out := s.Run(t, "SailPointIDNEvents(action_in = dynamic(['IDENTITY_DELETE_PASSED'])) | sort by Id asc")
	if got := strings.Join(out.Strings("Activity"), " "); got != "IDENTITY_DELETE_PASSED IDENTITY_DELETE_PASSED identity_delete_passed" {
		t.Errorf("got %s", got)
	}
}

func TestNetwork(t *testing.T) {
	s := kqltest.NewScene(t, now, "events-isc")
	networks := map[string]string{
		"203.0.113.7": "203.0.113.0/24", "::ffff:203.0.113.7": "203.0.113.0/24", "2001:db8:1:2:3:4:5:6": "2001:0db8:0001:0002:0000:0000:0000:0000/64",
		"2001:db8:1:2::9": "2001:0db8:0001:0002:0000:0000:0000:0000/64", "nonsense": "nonsense", "a:b": "a:b", "": "",
	}
	for ip := range networks {
		s.ISC(kqltest.Doc{"id": "ip " + ip, "created": "2026-09-02T11:00:00Z", "ipAddress": ip})
	}
	for _, r := range s.Run(t, "SailPointIDNEvents").Pick("IpAddress", "Network") {
		if ip, _ := r["IpAddress"].(string); r["Network"] != networks[ip] {
			t.Errorf("%q: got %q, want %q", ip, r["Network"], networks[ip])
		}
	}
}
