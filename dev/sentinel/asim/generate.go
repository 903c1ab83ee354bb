package asim

import (
	"cmp"
	"embed"
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

// Version of the three schemas: since August 2026 the public repository has all of ASIM as
// 1.0.0 (SCHEMA_INFO in its VerifyASimParserTemplate.py, vimUserManagementEmpty.yaml).
const Version = "1.0.0"

// Schemas in a fixed order.
func Schemas() []string { return []string{Authentication, AuditEvent, UserManagement} }

//go:embed texts/*.kql
var texts embed.FS

// Generate returns the generated files by path below sentinel/asim.
func Generate(events []Event, actions []Action) map[string]string {
	files := map[string]string{
		"SailPointISCAsimMapping.kql": mappingFunction(events),
		"SailPointISCAsim.kql": fill("SailPointISCAsim.kql", map[string]string{
			"generated":   strings.Replace(generated, "{{from}}", "asim.csv", 1),
			"typeWords":   arms(TypeWords(), "Key"),
			"objectWords": arms(ObjectWords(), "Key"),
			"resultWords": arms(resultWords(), "Key"),
		}),
		"SailPointIIQAsim.kql": fill("SailPointIIQAsim.kql", map[string]string{
			"generated": strings.Replace(generated, "{{from}}", "iiq.csv", 1),
			"mapping":   actionRows(actions),
		}),
	}
	for _, schema := range Schemas() {
		files["transforms/"+schema+".kql"] = transform(schema, events)
	}
	return files
}

// fill puts values into a text of the folder texts.
func fill(name string, values map[string]string) string {
	text, err := texts.ReadFile("texts/" + name)
	if err != nil {
		panic(err) // it is in the binary
	}
	pairs := []string{"{{version}}", Version, "{{generic}}", generic}
	for k, v := range values {
		pairs = append(pairs, "{{"+k+"}}", v)
	}
	return strings.NewReplacer(pairs...).Replace(string(text))
}

func actionRows(actions []Action) string {
	var b strings.Builder
	for i, a := range actions {
		fmt.Fprintf(&b, "  '%s', '%s', '%s', '%s', '%s'", strings.ToLower(a.Name), a.Schema, a.EventType, a.ObjectType, a.Result)
		if i < len(actions)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Names that name nobody, as in SailPointIDNEvents, and actions that only the technical
// name explains.
const (
	nobody  = "'', 'system', 'unknown', 'not available'"
	generic = "'', 'create', 'update', 'delete'"
)

const generated = "// Generated from sentinel/mapping/{{from}} by go generate ./dev/sentinel/asim. DO NOT EDIT.\n"

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
	b.WriteString(strings.Replace(generated, "{{from}}", "asim.csv", 1))
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
	named := cases(events, value)
	if named == "" {
		return otherwise
	}
	return "case(\n" + named + "      " + otherwise + ")"
}

// cases writes the value of each name as the arms of a case(); an empty value is none.
func cases(events []Event, value func(Event) string) string {
	byValue := map[string][]string{}
	for _, e := range events {
		byValue[value(e)] = append(byValue[value(e)], e.Key())
	}
	delete(byValue, "")
	var b strings.Builder
	for _, v := range slices.Sorted(maps.Keys(byValue)) {
		fmt.Fprintf(&b, "      key in (%s), '%s',\n", quoted(byValue[v]), v)
	}
	return b.String()
}

// What each schema's transform gives besides the common columns.
const (
	authenticationColumns = `    EventSubType = %s,
    EventResultDetails = case(
%s      eventResult == 'Failure', 'Other', ''),
    LogonProtocol = %s,
    LogonMethod = case(
      key == 'client_token_issue', 'Service Principal',
      key in (%s), 'Other',
      key startswith 'user_step_up_auth' or key == 'token_verification_failed', 'Multi factor authentication',
      ''),
    ActorUsername = actorUsername,
    ActorUsernameType = case(isempty(actorUsername), '', actorUsername contains '@', 'UPN', 'Simple'),
    ActorUserId = actorUserId,
    ActorUserIdType = iff(isempty(actorUserId), '', 'Other'),
    ActorUserType = case(actorUsername =~ 'System', 'System', key == 'client_token_issue', 'Application', ''),
    TargetUsername = targetUsername,
    TargetUsernameType = case(isempty(targetUsername), '', targetUsername contains '@', 'UPN', 'Simple'),
    TargetUserId = targetUserId,
    TargetUserIdType = iff(isempty(targetUserId), '', 'Other'),
    TargetUserType = case(targetUsername =~ 'System', 'System', key == 'client_token_issue', 'Application', ''),
    TargetAppName = iff(isnotempty(tostring(attributes.cloudAppName)), tostring(attributes.cloudAppName), 'SailPoint Identity Security Cloud'),
    TargetAppId = tostring(attributes.appId),
    TargetAppType = 'SaaS application',
    TargetHostname = org,
    DvcAction = case(eventResult == 'Success', 'Allow', eventResult == 'Failure', 'Deny', ''),
`
	authenticationPeople = `| extend actorUsername = iff(eventType == 'Elevate', doneBy, user),
    actorUserId = iff(user == tostring(actor.name), tostring(actor.id), ''),
    targetUsername = iff(eventType == 'Elevate' and isnotempty(tostring(target.name)), tostring(target.name), user),
    targetUserId = case(eventType == 'Elevate' and isnotempty(tostring(target.name)), tostring(target.id), user == tostring(actor.name), tostring(actor.id), user =~ tostring(target.name), tostring(target.id), '')
`
	auditColumns = `    EventSubType = '',
    EventResultDetails = '',
    Operation = case(isnotempty(operation), operation, isnotempty(action), action, isnotempty(technicalName), technicalName, isnotempty(name), name, 'Unknown'),
    Object = case(isnotempty(tostring(target.name)), tostring(target.name), isnotempty(tostring(attributes.sourceName)), tostring(attributes.sourceName), isnotempty(tostring(attributes.accessItemName)), tostring(attributes.accessItemName), isnotempty(type), type, 'Unknown'),
    ObjectId = case(isnotempty(tostring(target.id)), tostring(target.id), isnotempty(tostring(attributes.sourceId)), tostring(attributes.sourceId), tostring(attributes.accessItemId)),
    ObjectType = %s,
    OriginalObjectType = type,
    ActorUsername = doneBy,
    ActorUsernameType = case(isempty(doneBy), '', doneBy contains '@', 'UPN', 'Simple'),
    ActorUserId = actorUserId,
    ActorUserIdType = iff(isempty(actorUserId), '', 'Other'),
    ActorUserType = iff(doneBy =~ 'System', 'System', ''),
    NewValue = tostring(attributes.attributeValue),
    OldValue = tostring(attributes.previousValue),
    ValueType = iff(isempty(tostring(attributes.attributeValue)) and isempty(tostring(attributes.previousValue)), '', 'Other'),
    TargetAppName = 'SailPoint Identity Security Cloud',
    TargetAppType = 'SaaS application',
    TargetHostname = org,
`
	auditPeople = `| extend actorUserId = iff(doneBy == tostring(actor.name), tostring(actor.id), '')
`
	userColumns = `    EventSubType = iff(eventType in ('UserCreated', 'UserModified', 'GroupCreated', 'GroupModified'), tostring(attributes.attributeName), ''),
    EventResultDetails = iff(eventResult == 'Failure', 'Other', ''),
    ActorUsername = actorUsername,
    ActorUsernameType = iff(actorUsername contains '@', 'UPN', 'Simple'),
    ActorUserId = actorUserId,
    ActorUserIdType = iff(isempty(actorUserId), '', 'Other'),
    ActorUserType = iff(actorUsername =~ 'System', 'System', ''),
    TargetUsername = targetUsername,
    TargetUsernameType = case(isempty(targetUsername), '', targetUsername contains '@', 'UPN', 'Simple'),
    TargetUserId = targetUserId,
    TargetUserIdType = iff(isempty(targetUserId), '', 'Other'),
    TargetUserType = iff(key startswith 'machine_', 'Machine', ''),
    GroupName = groupName,
    GroupNameType = iff(isempty(groupName), '', 'Simple'),
    GroupId = groupId,
    GroupIdType = iff(isempty(groupId), '', 'UID'),
    GroupType = iff(isempty(groupName), '', 'Other'),
    NewPropertyValue = tostring(attributes.attributeValue),
    PreviousPropertyValue = tostring(attributes.previousValue),
`
	userPeople = `| extend ofGroup = eventType startswith 'Group'
| extend actorUsername = iff(isnotempty(doneBy), doneBy, 'Unknown'),
    actorUserId = iff(doneBy == tostring(actor.name), tostring(actor.id), ''),
    targetUsername = iff(ofGroup, '', tostring(target.name)),
    targetUserId = iff(ofGroup, '', tostring(target.id)),
    groupId = iff(ofGroup, tostring(target.id), ''),
    groupName = case(
      ofGroup, tostring(target.name),
      eventType endswith 'Group', case(
        isnotempty(tostring(attributes.attributeValue)), tostring(attributes.attributeValue),
        isnotempty(tostring(attributes.accessItemName)), tostring(attributes.accessItemName),
        isnotempty(tostring(attributes.capability)), tostring(attributes.capability),
        extract('^USER_([A-Z_]+)_(GRANT|REVOKE)$', 1, action)),
      '')
`
)

// transform writes the transform that fills the native table of a schema. Its
// input is the stream of whole events. No event passes two transforms: those of
// Authentication and UserManagement take the names listed, AuditEvent the rest.
// What comes out are columns of the table, which has no aliases (Dvc, Src,
// UpdatedPropertyName) and not always EventSchema: the built-in parsers add those.
func transform(schema string, events []Event) string {
	var mine []Event
	for _, e := range events {
		if e.Schema == schema {
			mine = append(mine, e)
		}
	}
	pass := "key in (" + quoted(keysOf(mine, func(Event) bool { return true })) + ")"
	eventType := choose(mine, func(e Event) string { return e.EventType }, "''")
	var columns, people string
	switch schema {
	case Authentication:
		service := keysOf(mine, func(e Event) bool { return e.EventSubType == "Service" && e.Key() != "client_token_issue" })
		columns = fmt.Sprintf(authenticationColumns, choose(mine, func(e Event) string { return e.EventSubType }, "''"),
			cases(mine, func(e Event) string { return e.ResultDetails }), choose(mine, func(e Event) string { return e.LogonProtocol }, "''"), quoted(service))
		people = authenticationPeople
	case UserManagement:
		columns, people = userColumns, userPeople
	case AuditEvent:
		columns = fmt.Sprintf(auditColumns, chooseByWord(mine, func(e Event) string { return e.ObjectType }, ObjectWords()))
		people = auditPeople
		pass = "key !in (" + quoted(keysOf(events, func(e Event) bool { return e.Schema != schema })) + ")"
		eventType = chooseByWord(mine, func(e Event) string { return e.EventType }, TypeWords())
	}
	return `// Ingest-time normalisation: fills ASim` + nativeTable(schema) + ` from the stream of whole events.
` + strings.Replace(generated, "{{from}}", "asim.csv", 1) + `source
| extend named = tolower(iff(tolower(technicalName) in (` + quoted(technicalKeys(events)) + `) or (tolower(action) in (` + generic + `) and isnotempty(technicalName)), technicalName, action))
| extend key = case(named == 'authentication_request_passed', 'authentication-100', named == 'authentication_request_failed', 'authentication-240', named)
| where ` + pass + `
| extend actorName = iff(tolower(tostring(actor.name)) in (` + nobody + `), '', tostring(actor.name)),
    userId = iff(tolower(tostring(attributes.userId)) in (` + nobody + `), '', tostring(attributes.userId)),
    targetName = iff(tolower(tostring(target.name)) in (` + nobody + `), '', tostring(target.name))
| extend user = case(isnotempty(actorName), actorName, isnotempty(userId), userId, targetName),
    doneBy = case(isnotempty(actorName), actorName, isnotempty(userId), userId, tostring(actor.name))
| extend eventType = ` + eventType + `,
    result = case(
` + cases(mine, resultByName) + arms(resultWords(), "key") + `      '')
| extend eventResult = case(result in ('Success', 'Failure', 'NA'), result, status =~ 'PASSED', 'Success', status =~ 'FAILED', 'Failure', 'NA')
` + people + `| project
    TimeGenerated = iff(isnull(created), now(), created),
    EventCount = toint(1),
    EventStartTime = iff(isnull(created), now(), created),
    EventEndTime = iff(isnull(created), now(), created),
    EventType = eventType,
    EventResult = eventResult,
    EventSeverity = iff(eventResult == 'Failure', 'Low', 'Informational'),
    EventOriginalUid = id,
    EventOriginalType = iff(isnotempty(action), action, technicalName),
    EventOriginalSubType = type,
    EventOriginalResultDetails = iff(isnotempty(tostring(attributes.errors)), tostring(attributes.errors), tostring(attributes.info)),
    EventMessage = name,
    EventProduct = 'Identity Security Cloud',
    EventProductVersion = _version,
    EventVendor = 'SailPoint',
    EventSchemaVersion = '` + Version + `',
` + columns + `    SrcIpAddr = ipAddress,
    DvcHostname = org,
    DvcId = iff(isnotempty(org), org, 'SailPoint'),
    DvcIdType = 'Other'
`
}

func nativeTable(schema string) string {
	return map[string]string{Authentication: "AuthenticationEventLogs", AuditEvent: "AuditEventLogs", UserManagement: "UserManagementActivityLogs"}[schema]
}

// resultByName is the result of a name for which resultWords do not say what
// the mapping says; "(status)" leaves it to the status.
func resultByName(e Event) string {
	if byWord(resultWords(), e.Key(), "") == e.Result {
		return ""
	}
	if e.Result == "" {
		return "(status)"
	}
	return e.Result
}

// chooseByWord writes a case() over the name: the value by words, after the
// names for which that is not the mapping's.
func chooseByWord(events []Event, value func(Event) string, words []Word) string {
	exceptions := func(e Event) string {
		if byWord(words, e.Key(), "Other") == value(e) {
			return ""
		}
		return value(e)
	}
	return "case(\n" + cases(events, exceptions) + arms(words, "key") + "      'Other')"
}
