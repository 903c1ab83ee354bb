package identityiq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// ID is the id of the i-th row of a kind, which is one of the letters a to f.
func ID(kind byte, i int) string { return fmt.Sprintf("%c0a8019c8f1a%020x", kind, i) }

// action is what an audit event of one kind looks like.
type action struct {
	action, source, target, application, instance string
	attribute, value                              string
	attributes                                    string // XML; "" means null
	strings                                       [2]string
}

func actions() []action {
	const plan = `<Attributes><Map><entry key="flow" value="AccessRequest"/><entry key="operation" value="EntitlementAdd"/></Map></Attributes>`
	return []action{
		{action: "login", source: "Alice.Adams", target: "Alice.Adams"},
		{action: "logout", source: "Alice.Adams", target: "Alice.Adams"},
		{action: "loginFailure", source: "Bob.Brown", target: "Bob.Brown", strings: [2]string{"Invalid password"}},
		{action: "EntitlementAdd", source: "spadmin", target: "Carol.Clark", application: "Active Directory", attribute: "memberOf", value: "CN=Finance,OU=Groups,DC=acme,DC=example", attributes: plan},
		{action: "EntitlementRemove", source: "spadmin", target: "Carol.Clark", application: "Active Directory", attribute: "memberOf", value: "CN=HR,OU=Groups,DC=acme,DC=example"},
		{action: "create", source: "spadmin", target: "Identity:Dave.Davis"},
		{action: "update", source: "spadmin", target: "SystemConfig:SystemConfiguration"},
		{action: "delete", source: "spadmin", target: "Identity:Eve.Evans"},
		{action: "PasswordChange", source: "Frank.Foster", target: "Frank.Foster", application: "Active Directory", instance: "acme"},
		{action: "run", source: "Scheduler", target: "TaskDefinition:Aggregate HR", strings: [2]string{"Success"}},
		{action: "certificationRemediation", source: "Grace.Green", target: "Carol.Clark", application: "SAP"},
		{action: "capabilitiesChanged", source: "spadmin", target: "Heidi.Hill", attribute: "capabilities", value: "SystemAdministrator"},
	}
}

// bean writes members in order, as the product's serializer writes its beans: with a null for what
// is not set.
func bean(members ...any) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := 0; i < len(members); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", members[i])
		value, err := json.Marshal(members[i+1])
		if err != nil {
			panic("encode a bean: " + err.Error())
		}
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// AuditEvent is the i-th synthetic audit event.
func AuditEvent(i int, created time.Time) []byte {
	kinds := actions()
	a := kinds[i%len(kinds)]
	var attributes any
	if a.attributes != "" {
		attributes = map[string]string{"xml": a.attributes}
	}
	return bean(
		"id", ID('a', i), "created", created.UnixMilli(), "modified", nil, "action", a.action, "source", a.source, "target", a.target,
		"interface", nullable(map[bool]string{true: "Lifecycle Manager"}[a.application != ""]), "application", nullable(a.application), "accountName", nullable(a.target),
		"instance", nullable(a.instance), "attributeName", nullable(a.attribute), "attributeValue", nullable(a.value), "trackingId", nil, "attributes", attributes,
		"string1", nullable(a.strings[0]), "string2", nullable(a.strings[1]), "string3", nil, "string4", nil,
		"serverHost", fmt.Sprintf("iiq%d.acme.example", 1+i%2), "clientHost", fmt.Sprintf("192.0.2.%d", 1+i%200),
	)
}

// SyslogEvent is the i-th synthetic entry of the syslog.
func SyslogEvent(i int, created time.Time) []byte {
	return bean(
		"id", ID('b', i), "created", created.UnixMilli(), "quickKey", fmt.Sprintf("%010d", 1000+i), "eventLevel", []string{"ERROR", "WARN", "FATAL"}[i%3],
		"server", "iiq1.acme.example", "username", "spadmin", "classname", "sailpoint.server.Syncer", "lineNumber", "417", "thread", "QuartzScheduler_Worker-3",
		"message", "The connection to the application ended", "stacktrace", "sailpoint.tools.GeneralException: the connection ended\n\tat sailpoint.server.Syncer.run(Syncer.java:417)",
	)
}

// stamp is a time as SCIM writes it: with the server's offset.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.In(time.FixedZone("", -5*60*60)).Format("2006-01-02T15:04:05.000-07:00")
}

type meta struct {
	Created      any    `json:"created"`
	Location     string `json:"location"`
	LastModified any    `json:"lastModified"`
	Version      string `json:"version"`
	ResourceType string `json:"resourceType"`
}

func metaOf(kind, plural, id string, created, modified time.Time) meta {
	return meta{
		stamp(created), "http://iiq1.acme.example/identityiq/scim/v2/" + plural + "/" + id, stamp(modified),
		fmt.Sprintf(`W/"%d"`, modified.UnixMilli()), kind,
	}
}

func schemas(kind string) []string {
	return []string{"urn:ietf:params:scim:schemas:sailpoint:1.0:" + kind}
}

// TaskResult is the i-th task result, running if status is "".
func TaskResult(i int, launched, modified time.Time, status string) (id string, raw []byte) {
	id = ID('c', i)
	var completed time.Time
	if status != "" {
		completed = modified
	}
	names := []string{"Aggregate HR Authoritative", "Refresh Identity Cube", "Perform Maintenance"}
	return id, bean(
		"id", id, "name", fmt.Sprintf("%s %d", names[i%len(names)], i), "type", "AccountAggregation", "completionStatus", nullable(status), "launcher", "Scheduler",
		"host", "iiq1.acme.example", "launched", stamp(launched), "completed", stamp(completed), "percentageComplete", 100, "pendingSignOffs", 0, "partitioned", false,
		"terminated", status == "Terminated", "taskDefinition", names[i%len(names)], "attributes", []map[string]string{{"key": "total", "value": "3"}}, "messages", []string{},
		"meta", metaOf("TaskResult", TaskResults, id, launched, modified), "schemas", schemas("TaskResult"),
	)
}

// Violation is the i-th policy violation.
func Violation(i int, created, modified time.Time, status string) (id string, raw []byte) {
	id = ID('d', i)
	person := func(name string) map[string]string {
		return map[string]string{"displayName": name, "value": ID('e', i%7), "$ref": "http://iiq1.acme.example/identityiq/scim/v2/Users/" + ID('e', i%7)}
	}
	return id, bean(
		"id", id, "policyName", "SOD Policy", "constraintName", fmt.Sprintf("SOD-%d", 100+i%20), "identity", person("Bob Brown"), "owner", person("Grace Green"),
		"description", "Orders and payments must not be in one hand", "status", status,
		"meta", metaOf("PolicyViolation", PolicyViolations, id, created, modified), "schemas", schemas("PolicyViolation"),
	)
}

// Alert is the i-th alert.
func Alert(i int, created, modified time.Time) (id string, raw []byte) {
	id = ID('f', i)
	return id, bean(
		"id", id, "name", fmt.Sprintf("%010d", i+1), "displayName", "Confidential file opened", "type", "alert", "alertDate", stamp(created), "lastProcessed", stamp(modified),
		"nativeId", fmt.Sprintf("native-%d", i), "targetId", ID('e', i%7), "targetType", "Identity", "targetDisplayName", "Bob.Brown",
		"application", map[string]string{"value": "File Security", "displayName": "File Security"}, "actions", []map[string]string{{"type": "NOTIFICATION", "alertDefinitionName": "opened"}},
		"attributes", []map[string]string{{"key": "path", "value": "/finance"}},
		"meta", metaOf("Alert", Alerts, id, created, modified), "schemas", schemas("Alert"),
	)
}
