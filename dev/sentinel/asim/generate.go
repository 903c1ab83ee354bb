package asim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Schemas of the model that the mapping uses.
const (
	Authentication = "Authentication"
	AuditEvent     = "AuditEvent"
	UserManagement = "UserManagement"
)

// Versions of the schemas.
func version(schema string) string {
	return map[string]string{Authentication: "0.1.4", AuditEvent: "0.1.2", UserManagement: "0.1.2"}[schema]
}

// Generate returns the generated files by path below sentinel/asim.
func Generate(events []Event) map[string]string {
	files := map[string]string{"SailPointISCAsimMapping.kql": mappingFunction(events)}
	for _, schema := range []string{Authentication, AuditEvent, UserManagement} {
		files["transforms/"+schema+".kql"] = transform(schema, events)
	}
	return files
}

// What SailPointIDNEvents and SailPointISCAsim hold as well: names that name nobody,
// and actions that only the technical name explains.
const (
	nobody  = "'', 'system', 'unknown', 'not available'"
	generic = "'', 'create', 'update', 'delete'"
)

const generated = "// Generated from sentinel/mapping/asim.csv by go generate ./dev/sentinel/asim. DO NOT EDIT.\n"

// mappingFunction writes the mapping with one line per meaning: its names
// stand in one text, which is taken apart when the function runs.
func mappingFunction(events []Event) string {
	names := map[Target][]string{}
	for _, e := range events {
		names[e.Target] = append(names[e.Target], e.Key())
	}
	targets := slices.SortedFunc(maps.Keys(names), func(a, b Target) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.EventType, b.EventType), cmp.Compare(a.EventSubType, b.EventSubType),
			cmp.Compare(a.Result, b.Result), cmp.Compare(a.ResultDetails, b.ResultDetails), cmp.Compare(a.ObjectType, b.ObjectType), cmp.Compare(a.LogonProtocol, b.LogonProtocol))
	})
	var b strings.Builder
	b.WriteString(`// function: SailPointISCAsimMapping()
// title: SailPoint audit events in the terms of ASIM
// category: ASIM
// rows: always
`)
	b.WriteString(generated)
	b.WriteString(`//
// Key is the action, or the technical name where ByTechnicalName, in lower case. An
// empty MappedResult means that the event's status decides.
datatable(MappedSchema: string, MappedType: string, MappedSubType: string, MappedResult: string, MappedDetails: string, MappedObjectType: string, MappedProtocol: string, Keys: string)[
`)
	for i, t := range targets {
		keys := slices.Compact(slices.Sorted(slices.Values(names[t])))
		fmt.Fprintf(&b, "  '%s', '%s', '%s', '%s', '%s', '%s', '%s', '%s'", t.Schema, t.EventType, t.EventSubType, t.Result, t.ResultDetails, t.ObjectType, t.LogonProtocol, strings.Join(keys, "|"))
		if i < len(targets)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, `]
| mv-expand Key = split(Keys, '|') to typeof(string)
| extend ByTechnicalName = Key in (%s)
| project-away Keys
`, quoted(technicalKeys(events)))
	return b.String()
}

func technicalKeys(events []Event) []string {
	var keys []string
	for _, e := range events {
		if e.TechnicalName != "" {
			keys = append(keys, e.Key())
		}
	}
	return keys
}

// quoted writes a list of names in a fixed order, each once.
func quoted(names []string) string {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	return "'" + strings.Join(names, "', '") + "'"
}

// keysOf returns the keys that a condition holds for.
func keysOf(events []Event, holds func(Event) bool) []string {
	var keys []string
	for _, e := range events {
		if holds(e) {
			keys = append(keys, e.Key())
		}
	}
	return keys
}

// choose writes a case() over the name: the value of each name, or otherwise.
func choose(events []Event, value func(Event) string, otherwise string) string {
	byValue := map[string][]string{}
	for _, e := range events {
		byValue[value(e)] = append(byValue[value(e)], e.Key())
	}
	delete(byValue, "")
	if len(byValue) == 0 {
		return otherwise
	}
	var b strings.Builder
	b.WriteString("case(\n")
	for _, v := range slices.Sorted(maps.Keys(byValue)) {
		fmt.Fprintf(&b, "      key in (%s), '%s',\n", quoted(byValue[v]), v)
	}
	b.WriteString("      " + otherwise + ")")
	return b.String()
}

// What each schema's transform gives besides the common columns.
const (
	authenticationColumns = `    LogonProtocol = %s,
    TargetUsername = iff(eventType == 'Elevate' and isnotempty(tostring(target.name)), tostring(target.name), user),
    ActorUsername = iff(eventType == 'Elevate', doneBy, user),
    TargetAppName = 'SailPoint Identity Security Cloud',
    TargetAppType = 'SaaS application',
    SrcIpAddr = ipAddress,
`
	auditColumns = `    Operation = case(isnotempty(operation), operation, isnotempty(action), action, isnotempty(technicalName), technicalName, 'Unknown'),
    Object = case(isnotempty(tostring(target.name)), tostring(target.name), isnotempty(tostring(attributes.sourceName)), tostring(attributes.sourceName), isnotempty(type), type, 'Unknown'),
    ObjectType = 'Other',
    OriginalObjectType = type,
    ActorUsername = doneBy,
    NewValue = tostring(attributes.attributeValue),
    OldValue = tostring(attributes.previousValue),
    SrcIpAddr = ipAddress,
`
	userColumns = `    ActorUsername = iff(isnotempty(doneBy), doneBy, 'Unknown'),
    TargetUsername = iff(eventType startswith 'Group', '', tostring(target.name)),
    GroupName = case(eventType startswith 'Group', tostring(target.name), isnotempty(tostring(attributes.attributeValue)) and eventType endswith 'Group', tostring(attributes.attributeValue), extract('^USER_([A-Z_]+)_(GRANT|REVOKE)$', 1, action)),
    NewPropertyValue = tostring(attributes.attributeValue),
    PreviousPropertyValue = tostring(attributes.previousValue),
    SrcIpAddr = ipAddress,
`
)

// transform writes the transform that fills the native table of a schema. Its
// input is the stream of whole events. No event passes two transforms: those of
// Authentication and UserManagement take the names listed, AuditEvent the rest.
// What comes out are columns of the table, which has no aliases (Dvc,
// UpdatedPropertyName) and not always EventSchema: the built-in parsers add those.
func transform(schema string, events []Event) string {
	var mine []Event
	for _, e := range events {
		if e.Schema == schema {
			mine = append(mine, e)
		}
	}
	keys := keysOf(mine, func(Event) bool { return true })
	pass := "key in (" + quoted(keys) + ")"
	eventType := choose(mine, func(e Event) string { return e.EventType }, "''")
	subType := choose(mine, func(e Event) string { return e.EventSubType }, "''")
	var columns string
	switch schema {
	case Authentication:
		columns = fmt.Sprintf(authenticationColumns, choose(mine, func(e Event) string { return e.LogonProtocol }, "''"))
	case UserManagement:
		columns = userColumns
		subType = "tostring(attributes.attributeName)" // the built-in parser calls it UpdatedPropertyName
	case AuditEvent:
		columns = auditColumns
		pass = "key !in (" + quoted(keysOf(events, func(e Event) bool { return e.Schema != schema })) + ")"
		eventType = auditType(mine)
	}
	return `// Ingest-time normalisation: fills ASim` + nativeTable(schema) + ` from the stream of whole events.
` + generated + `source
| extend named = tolower(iff(tolower(technicalName) in (` + quoted(technicalKeys(events)) + `) or (tolower(action) in (` + generic + `) and isnotempty(technicalName)), technicalName, action))
| extend key = case(named == 'authentication_request_passed', 'authentication-100', named == 'authentication_request_failed', 'authentication-240', named)
| where ` + pass + `
| extend actorName = iff(tolower(tostring(actor.name)) in (` + nobody + `), '', tostring(actor.name)),
    userId = iff(tolower(tostring(attributes.userId)) in (` + nobody + `), '', tostring(attributes.userId)),
    targetName = iff(tolower(tostring(target.name)) in (` + nobody + `), '', tostring(target.name))
| extend user = case(isnotempty(actorName), actorName, isnotempty(userId), userId, targetName),
    doneBy = case(isnotempty(actorName), actorName, isnotempty(userId), userId, tostring(actor.name))
| extend eventType = ` + eventType + `,
    result = ` + choose(mine, resultByName, resultWords) + `
| extend eventResult = case(result in ('Success', 'Failure', 'NA'), result, status == 'PASSED', 'Success', status == 'FAILED', 'Failure', 'NA')
| project
    TimeGenerated = iff(isnull(created), now(), created),
    EventCount = toint(1),
    EventStartTime = iff(isnull(created), now(), created),
    EventEndTime = iff(isnull(created), now(), created),
    EventType = eventType,
    EventSubType = ` + subType + `,
    EventResult = eventResult,
    EventResultDetails = ` + choose(mine, func(e Event) string { return e.ResultDetails }, "''") + `,
    EventSeverity = iff(eventResult == 'Failure', 'Low', 'Informational'),
    EventOriginalUid = id,
    EventOriginalType = action,
    EventMessage = name,
    EventProduct = 'Identity Security Cloud',
    EventVendor = 'SailPoint',
    EventSchemaVersion = '` + version(schema) + `',
` + columns + `    DvcId = iff(isnotempty(org), org, 'SailPoint'),
    DvcIdType = 'Other'
`
}

func nativeTable(schema string) string {
	return map[string]string{Authentication: "AuthenticationEventLogs", AuditEvent: "AuditEventLogs", UserManagement: "UserManagementActivityLogs"}[schema]
}

// resultWords tells the result by the end of a name.
const resultWords = `case(
      key matches regex @'fail(ed|ure)|_error|denied', 'Failure',
      key matches regex @'passed|succeeded|success', 'Success',
      key matches regex @'started|skipped|pending', 'NA', '')`

// resultByName is the result of a name for which resultWords do not say what
// the mapping says; "(status)" leaves it to the status.
func resultByName(e Event) string {
	if wordResult(e.Key()) == e.Result {
		return ""
	}
	if e.Result == "" {
		return "(status)"
	}
	return e.Result
}

func wordResult(key string) string {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(key, w) })
	}
	switch {
	case has("failed", "failure", "_error", "denied"):
		return "Failure"
	case has("passed", "succeeded", "success"):
		return "Success"
	case has("started", "skipped", "pending"):
		return "NA"
	}
	return ""
}

// auditType writes the type by the words in the name, after the exceptions.
func auditType(events []Event) string {
	exceptions := map[string][]string{}
	for _, e := range events {
		if typeByWord(e.Key()) != e.EventType {
			exceptions[e.EventType] = append(exceptions[e.EventType], e.Key())
		}
	}
	var b strings.Builder
	b.WriteString("case(\n")
	for _, v := range slices.Sorted(maps.Keys(exceptions)) {
		fmt.Fprintf(&b, "      key in (%s), '%s',\n", quoted(exceptions[v]), v)
	}
	for _, w := range Words() {
		fmt.Fprintf(&b, "      key matches regex @'%s', '%s',\n", w.Pattern, w.EventType)
	}
	b.WriteString("      'Other')")
	return b.String()
}
