package playbooks

import "fmt"

// The parts that playbooks share. See the package comment.

const (
	identity = "variables('Identity')"
	who      = "concat(replace(replace(string(variables('Identity')?['name']), '&', '&amp;'), '<', '&lt;'), ' (', replace(replace(string(variables('Identity')?['alias']), '&', '&amp;'), '<', '&lt;'), ')')"
	// usable is whether a name can stand in a filter: no quote can end it, and no line.
	usable = `and(greater(length(%[1]s), 0), less(length(%[1]s), 257), not(contains(%[1]s, '"')), not(contains(%[1]s, '\')), not(contains(%[1]s, decodeUriComponent('%%0A'))), not(contains(%[1]s, decodeUriComponent('%%0D'))))`
)

// trigger is what starts a playbook.
type trigger struct {
	suffix     string // of the playbook's name
	name, path string
	incident   string // expression of the incident's id, "" if there is none
	names      []step // that end in Account_names
	several    string // what to do where there are several accounts
}

// joined is the name of an account as SailPoint has it.
func joined(name, suffix string) string {
	return "concat(trim(" + name + "), if(or(empty(trim(" + suffix + ")), contains(" + name + ", '@')), '', concat('@', trim(" + suffix + "))))"
}

func onIncident() trigger {
	return trigger{
		name: "Microsoft_Sentinel_incident", path: "/incident-creation",
		incident: "coalesce(triggerBody()?['object']?['id'], '')",
		names: []step{
			set("Stage_accounts", "Stage", "reading the accounts of the incident"),
			{"Get_accounts", object{"type": "ApiConnection", "inputs": object{
				"body": "@triggerBody()?['object']?['properties']?['relatedEntities']", "host": connection("azuresentinel"), "method": "post", "path": "/entities/account", "retryPolicy": retries(),
			}}, nil},
			mapped("All_account_names", "@coalesce(body('Get_accounts')?['Accounts'], json('[]'))",
				"@"+joined("string(item()?['Name'])", "string(item()?['UPNSuffix'])")),
			compose("Account_names", "@union(body('All_account_names'), body('All_account_names'))"),
		},
		several: "Open the entity in the incident and run the playbook for the account (the one whose name ends in -Entity).",
	}
}

func onEntity() trigger {
	const properties = "triggerBody()?['Entity']?['properties']"
	return trigger{
		suffix: "-Entity", name: "Microsoft_Sentinel_entity", path: "/entity/@{encodeURIComponent('Account')}",
		incident: "coalesce(triggerBody()?['IncidentArmID'], '')",
		names: []step{
			set("Stage_accounts", "Stage", "reading the account"),
			compose("Account_names", "@createArray("+joined("string(coalesce("+properties+"?['Name'], "+properties+"?['accountName']))", "string(coalesce("+properties+"?['UPNSuffix'], "+properties+"?['upnSuffix']))")+")"),
		},
		several: "Run it for one of them.",
	}
}

func (t trigger) definition() object {
	return object{t.name: object{
		"type":   "ApiConnectionWebhook",
		"inputs": object{"body": object{"callback_url": "@{listCallbackUrl()}"}, "host": connection("azuresentinel"), "path": t.path},
	}}
}

// lookups look an account's name up as the three things it can be. Without its domain a name may be another
// person's: then the domain has to be that of the identity's address.
func lookups(name, suffix string) []step {
	find := func(action, field, value string) step {
		return sailpoint(action, "GET", "identities", "'?limit=3&', "+equalTo(field, value), suffix, nil)
	}
	return []step{
		find("Find_by_alias", "alias", name),
		find("Find_by_email", "email", name),
		find("Find_by_short_name", "alias", "first(split("+name+", '@'))"),
		filter("Same_domain", "@body('Find_by_short_name')", "@or(not(contains("+name+", '@')), equals(toLower(last(split("+name+", '@'))), toLower(last(split(string(item()?['emailAddress']), '@')))))"),
		compose("Found", "@union(body('Find_by_alias'), body('Find_by_email'), body('Same_domain'))"),
	}
}

var lookupNames = []string{"Get_secret", "Sign_in", "Find_by_alias", "Find_by_email", "Find_by_short_name"} //nolint:gochecknoglobals // a constant

// identify finds the one identity.
func identify(t trigger) step {
	const name = "string(first(outputs('Account_names')))"
	// The incident says where the watchlists are and where to report: without it, nothing is done.
	inWorkspace := "contains(toLower(" + t.incident + "), '/providers/microsoft.operationalinsights/workspaces/')"
	one := "and(" + inWorkspace + ", equals(length(outputs('Account_names')), 1), " + fmt.Sprintf(usable, name) + ")"
	find := together(signIn(""), []step{set("Stage_find", "Stage", "looking for the identity")}, lookups(name, ""), []step{
		when("One_identity", "equals(length(outputs('Found')), 1)",
			[]step{set("Set_identity", "Identity", "@first(outputs('Found'))")},
			[]step{set("Not_one_identity", "Refusal", "@if(empty(outputs('Found')), concat('SailPoint has no identity with the account name or e-mail address ', "+html(name)+", '.'), concat('Several identities of SailPoint fit ', "+html(name)+", ', and none was chosen.'))")}),
	})
	steps := together(t.names, []step{when("One_account", one, find, []step{
		set("Not_one_account", "Refusal", "@if(not("+inWorkspace+"), 'The playbook was not run from an incident of Microsoft Sentinel.', if(empty(outputs('Account_names')), 'There is no account in the incident.', if(greater(length(outputs('Account_names')), 1), concat('The incident has several accounts (', "+html("join(outputs('Account_names'), ', ')")+", '), and none was chosen. "+t.several+"'), 'The name of the account can''t be looked up: it is empty, too long, or has a quotation mark, a backslash or a line break.')))"),
	})})
	return step{"Identify", object{"type": "Scope", "actions": chain(steps...)}, nil}
}

// workspace is the path of the workspace that an incident is in.
func workspace(t trigger) string { return "join(take(split(" + t.incident + ", '/'), 9), '/')" }

const insightsVersion = "2025-06-01"

// watchlist reads the search keys of a watchlist: body(name) has the items, and one that does not exist is
// empty. key is what the expression known compares.
func watchlist(t trigger, name, alias, stage string) []step {
	return []step{
		set("Stage_"+name, "Stage", stage),
		azure(name, "GET", workspace(t)+", '/providers/Microsoft.SecurityInsights/watchlists/"+alias+"/watchlistItems?api-version="+insightsVersion+"'", nil),
	}
}

// protect refuses to act on a break-glass account.
func protect(t trigger) step {
	const items = "if(equals(outputs('Read_break_glass')?['statusCode'], 200), coalesce(body('Read_break_glass')?['value'], json('[]')), json('[]'))"
	const column = "item()?['properties']?['itemsKeyValue']?['Identity']"
	key := "toLower(trim(string(" + column + ")))"
	of := func(field string) string { return "toLower(string(" + identity + "?['" + field + "']))" }
	return unlessRefused("Protect", together(watchlist(t, "Read_break_glass", "SailPointBreakGlass", "reading the watchlist SailPointBreakGlass"), []step{
		when("Break_glass_can_be_told", "or(equals(outputs('Read_break_glass')?['statusCode'], 404), and(equals(outputs('Read_break_glass')?['statusCode'], 200), empty(string("+"if(equals(outputs('Read_break_glass')?['statusCode'], 200), body('Read_break_glass')?['nextLink'], '')"+"))))",
			[]step{
				// A list that was made by hand may call its column otherwise: then it would protect no one.
				filter("Without_identity", "@"+items, "@equals("+column+", null)"),
				when("List_has_its_column", "empty(body('Without_identity'))", []step{compose("Column_is_there", "yes")},
					[]step{set("Refuse_other_column", "Refusal", "The watchlist SailPointBreakGlass has rows without the column Identity.")}),
				filter("Break_glass", "@"+items, "@and(not(empty("+key+")), or(equals("+key+", "+of("alias")+"), equals("+key+", "+of("emailAddress")+")))"),
				when("Is_break_glass", "greater(length(body('Break_glass')), 0)", []step{set("Refuse_break_glass", "Refusal", "@concat("+who+", ' is in the watchlist SailPointBreakGlass.')")}, nil),
			},
			[]step{set("Refuse_unknown", "Refusal", "@concat('The watchlist SailPointBreakGlass could not be read whole (HTTP ', string(coalesce(outputs('Read_break_glass')?['statusCode'], '-')), '). The identity of the playbook needs the role Microsoft Sentinel Responder.')")}).caught(),
	})...)
}

// approve asks a person. subject is what would be done, as an expression of plain text.
func approve(t trigger, subject string) step {
	task := "concat(" + t.incident + ", '/tasks/', outputs('Task_id'), '?api-version=" + insightsVersion + "')"
	byTask := []step{
		compose("Task_id", "@guid()"),
		azure("Create_task", "PUT", task, object{"properties": object{
			"title": "@take(concat('Approve: ', " + subject + "), 150)",
			"description": "@take(concat('<p>Complete this task to approve. Delete it to reject. After ', string(parameters('ApprovalHours')), ' hours without either, nothing is done.</p>', " +
				"if(greater(length(variables('Plan')), 2500), '<p><b>The list is cut.</b> The run history of the playbook has all of it, in the action Set_plan.</p>', ''), variables('Plan')), 2900)",
			"status": "New",
		}}),
		until("Wait_for_task", "not(empty(variables('Answer')))", 5000, "[concat('PT', string(parameters('ApprovalHours')), 'H')]",
			wait("Pause", 120),
			azure("Look_at_task", "GET", task, nil),
			set("Note_answer", "Answer", "@if(equals(outputs('Look_at_task')?['statusCode'], 404), 'Reject', if(equals(outputs('Look_at_task')?['statusCode'], 200), if(equals(body('Look_at_task')?['properties']?['status'], 'Completed'), 'Approve', ''), ''))").caught(),
		),
		when("Task_was_completed", "equals(variables('Answer'), 'Approve')",
			[]step{set("Note_who", "Approver", "@string(coalesce(body('Look_at_task')?['properties']?['lastModifiedBy']?['userPrincipalName'], body('Look_at_task')?['properties']?['lastModifiedBy']?['name']))")},
			[]step{azure("Withdraw_task", "DELETE", task, nil), compose("Task_is_gone", "@outputs('Withdraw_task')?['statusCode']").caught()}).caught(),
	}
	byMail := []step{
		{"Ask_by_email", object{"type": "ApiConnectionWebhook", "limit": object{"timeout": "[concat('PT', string(parameters('ApprovalHours')), 'H')]"}, "inputs": object{
			"host": connection("office365"), "path": "/approvalmail/$subscriptions",
			"body": object{"NotificationUrl": "@{listCallbackUrl()}", "Message": object{
				"To": "@parameters('ApproverEmail')", "Importance": "High", "Options": "Approve, Reject", "HideHTMLMessage": false, "ShowHTMLConfirmationDialog": true,
				"Subject": "@take(concat('Approve: ', " + subject + "), 150)",
				"Body":    "@concat(variables('Plan'), '<p>Incident: ', " + html(t.incident) + ", '</p>')",
			}},
			"retryPolicy": object{"type": "none"},
		}}, nil},
		set("Note_email_answer", "Answer", "@string(body('Ask_by_email')?['SelectedOption'])").run("Succeeded", "TimedOut"),
		set("Note_email_who", "Approver", "@parameters('ApproverEmail')"),
	}
	return unlessRefused("Approve",
		set("Stage_approve", "Stage", "asking for approval"),
		step{"Ask", object{"type": "Switch", "expression": "@parameters('Approval')", "cases": object{
			"Task":  object{"case": "Task", "actions": chain(byTask...)},
			"Email": object{"case": "Email", "actions": chain(byMail...)},
			"None":  object{"case": "None", "actions": chain(set("Do_not_ask", "Answer", "Approve"), set("Nobody_asked", "Approver", "no one: the playbook is set to act without approval"))},
		}, "default": object{"actions": object{}}}, nil},
		when("Was_approved", "equals(variables('Answer'), 'Approve')",
			[]step{compose("Approved", "@variables('Approver')")},
			[]step{set("Not_approved", "Refusal", "@if(equals(variables('Answer'), 'Reject'), 'It was rejected.', concat('No one approved it within ', string(parameters('ApprovalHours')), ' hours.'))")}),
	)
}

// report tells the incident how it went, and lets the run fail where something did.
func report(t trigger, title string, parts, requests []string) []step {
	acting := parts[len(parts)-1]
	broken := "not(equals(actions('" + acting + "')?['status'], 'Succeeded'))"
	approved := "''"
	if acting == "Act" {
		approved = "if(empty(variables('Approver')), '', concat('<p>Approved by: ', " + html("variables('Approver')") + ", '</p>'))"
	}
	message := "@take(concat('<h3>" + title + "</h3>', " +
		"if(empty(variables('Refusal')), '', concat('<p><b>Nothing was done.</b> ', variables('Refusal'), '</p>')), " +
		"if(and(" + broken + ", empty(variables('Refusal'))), concat('<p><b>', if(empty(variables('Done')), 'Nothing was done: ', 'Not everything was done: '), 'a step failed while ', variables('Stage'), '.</b>', " + ended(requests...) + ", ' The run history of the playbook has the details.</p>'), ''), " +
		"if(empty(concat(variables('Done'), variables('NotDone'))), '', variables('Plan')), " +
		"if(empty(variables('Done')), '', concat('<p><b>Done:</b></p><ul>', variables('Done'), '</ul>')), " +
		"if(empty(variables('NotDone')), '', concat('<p><b>Not done:</b></p><ul>', variables('NotDone'), '</ul>')), " + approved + "), 29000)"
	failed := "or(" + broken + ", not(empty(variables('NotDone'))))"
	return told(t, message, failed)
}

// told comments on the incident with the message, if there is an incident, and lets the run fail if
// something has failed.
func told(t trigger, message, failed string) []step {
	comment := step{"Add_comment", object{"type": "ApiConnection", "inputs": object{
		"body": object{"incidentArmId": "@" + t.incident, "message": "@outputs('Message')"},
		"host": connection("azuresentinel"), "method": "post", "path": "/Incidents/Comment", "retryPolicy": retries(),
	}}, nil}
	return []step{
		compose("Message", message).run(anyway...),
		when("There_is_an_incident", "not(empty("+t.incident+"))", []step{comment}, nil),
		when("Something_failed", failed, []step{{"End_as_failed", object{"type": "Terminate", "inputs": object{"runStatus": "Failed", "runError": object{"code": "NotDone", "message": "See the comment on the incident, or the action Message."}}}, nil}}, nil).run("Succeeded", "Failed"),
	}
}
