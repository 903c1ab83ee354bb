package playbooks

// revokeAccess removes access: what the alert names, or what is privileged.
func revokeAccess() playbook {
	const title = "SailPoint - Revoke access"
	const name = "string(coalesce(item()?['displayName'], item()?['name']))"
	line := "concat(" + html("item()?['type']") + ", ' ', " + html(name) + ")"
	listed := "contains(body('Listed_access'), toLower(" + name + "))"
	privileged := "or(equals(item()?['privileged'], true), " + listed + ")"
	// The names stand in JSON text, once or twice encoded; what needs escaping there fits nothing.
	named := `and(not(contains(` + name + `, '"')), not(contains(` + name + `, '\')), or(contains(outputs('Named_access'), concat('"', ` + name + `, '"')), contains(outputs('Named_access'), concat('\"', ` + name + `, '\"'))))`
	return playbook{
		name: "SailPoint-RevokeAccess", title: "Revoke access of an identity - SailPoint", updated: "2026-11-30", tags: []string{"Remediation"},
		about:      "Requests the removal of access from one identity, after approval: of the access items that the alert names, or of all that is privileged or in the watchlist SailPointPrivilegedAccess. SailPoint applies its own approval rules to the request.",
		parameters: object{"What": object{"type": "string", "defaultValue": "Privileged", "allowedValues": []any{"Named", "Privileged"}, "metadata": object{"description": "Named: the access items in the custom details AccessItem, AccessItems or Access of the alert; not for the entity trigger. Privileged: privileged entitlements, and what is in the watchlist SailPointPrivilegedAccess."}}},
		values:     object{"What": "[parameters('What')]"}, types: object{"What": "String"},
		services: []string{"search", "requests"}, scopes: []string{"sp:search:read", "idn:access-request:manage"}, triggers: both(),
		steps: func(t trigger) []step {
			plan := []step{
				set("Stage_plan", "Stage", "reading the access of the identity"),
				sailpoint("Get_access", "GET", "search", "'/identities/', encodeUriComponent(string("+identity+"?['id']))", "", nil),
			}
			plan = append(plan, watchlist(t, "Read_privileged", "SailPointPrivilegedAccess", "reading the watchlist SailPointPrivilegedAccess")...)
			const details = "json(if(empty(string(item()?['properties']?['additionalData']?['Custom Details'])), '{}', string(item()?['properties']?['additionalData']?['Custom Details'])))"
			plan = append(plan,
				mapped("Listed_access", "@if(equals(outputs('Read_privileged')?['statusCode'], 200), coalesce(body('Read_privileged')?['value'], json('[]')), json('[]'))",
					"@toLower(trim(string(item()?['properties']?['itemsKeyValue']?['Access'])))").caught(),
				mapped("Details_of_alerts", "@coalesce(triggerBody()?['object']?['properties']?['Alerts'], json('[]'))",
					"@concat(string("+details+"?['AccessItem']), string("+details+"?['AccessItems']), string("+details+"?['Access']))"),
				compose("Named_access", "@join(body('Details_of_alerts'), ' ')"),
				filter("Access_meant", "@coalesce(body('Get_access')?['access'], json('[]'))", "@if(equals(parameters('What'), 'Named'), "+named+", "+privileged+")"),
				filter("Access_to_revoke", "@body('Access_meant')", "@if(equals(item()?['type'], 'ENTITLEMENT'), equals(item()?['standalone'], true), not(equals(item()?['revocable'], false)))"),
				filter("Access_bound", "@body('Access_meant')", "@if(equals(item()?['type'], 'ENTITLEMENT'), not(equals(item()?['standalone'], true)), equals(item()?['revocable'], false))"),
				mapped("Access_lines", "@body('Access_to_revoke')", "@"+line),
				mapped("Bound_lines", "@body('Access_bound')", "@"+line),
				set("Set_plan", "Plan", "@concat('<p>Revoke this access of ', "+who+", ':</p><ul><li>', join(body('Access_lines'), '</li><li>'), '</li></ul>', if(empty(body('Access_bound')), '', concat('<p>This comes with a role or an access profile and can''t be revoked alone: ', join(body('Bound_lines'), ', '), '.</p>')))"),
				when("Nothing_to_revoke", "empty(body('Access_to_revoke'))", []step{set("Refuse_nothing", "Refusal", "@concat("+who+", ' has no access that could be revoked and ', if(equals(parameters('What'), 'Named'), 'that the alert names.', 'that is privileged or in the watchlist SailPointPrivilegedAccess.'), if(empty(body('Access_bound')), '', concat(' This comes with a role or an access profile: ', join(body('Bound_lines'), ', '), '.')))")}, nil),
				when("Too_much_access", "greater(length(body('Access_to_revoke')), 25)", []step{set("Refuse_much", "Refusal", "@concat('More than 25 access items of ', "+who+", ' would be revoked: do it in SailPoint.')")}, nil),
				when("List_was_read", "or(equals(parameters('What'), 'Named'), equals(outputs('Read_privileged')?['statusCode'], 404), and(equals(outputs('Read_privileged')?['statusCode'], 200), empty(string(if(equals(outputs('Read_privileged')?['statusCode'], 200), body('Read_privileged')?['nextLink'], '')))))", []step{compose("List_is_known", "yes")},
					[]step{set("Refuse_unread", "Refusal", "@concat('The watchlist SailPointPrivilegedAccess could not be read whole (HTTP ', string(coalesce(outputs('Read_privileged')?['statusCode'], '-')), ').')")}),
			)
			act := []step{
				mapped("Requested_items", "@body('Access_to_revoke')", object{"type": "@item()?['type']", "id": "@item()?['id']", "comment": "@concat('Revoked for an incident of Microsoft Sentinel: ', " + t.incident + ")"}),
				set("Stage_act", "Stage", "requesting the removal of access"),
				sailpoint("Revoke_access", "POST", "requests", "", "_again", object{"requestType": "REVOKE_ACCESS", "requestedFor": []any{"@" + identity + "?['id']"}, "requestedItems": "@body('Requested_items')"}),
				add("Note_revoked", "Done", "@concat('<li>Requested the removal of: ', join(body('Access_lines'), ', '), '</li>')"),
			}
			return acting(t, title, "concat('revoke ', string(length(body('Access_to_revoke'))), ' access items of ', string("+identity+"?['name']))", plan, act, []string{"Get_access", "Revoke_access"})
		},
	}
}
