package playbooks

import "fmt"

// identityDetails writes what SailPoint knows of the accounts of an incident into a comment. It changes
// nothing, and so it asks nobody; each account of the incident is looked up.
func identityDetails() playbook {
	const title = "SailPoint - Identity details"
	const name = "items('For_each_name')"
	const doc = "body('Get_document')"
	row := func(label, value string) string {
		return fmt.Sprintf("'<tr><td>%s</td><td>', %s, '</td></tr>', ", label, value)
	}
	return playbook{
		name: "SailPoint-IdentityDetails", title: "Identity details - SailPoint", updated: "2026-11-30", tags: []string{"Enrichment"},
		about:    "Adds a comment to the incident with what SailPoint knows of its accounts: the identity, its manager and lifecycle state, its accounts, and its privileged access.",
		services: []string{"search"}, scopes: []string{"sp:search:read"}, triggers: both(),
		steps: func(t trigger) []step {
			details := "@concat('<li><table>', " +
				row("Identity", "concat("+html(doc+"?['displayName']")+", ' (', "+html(doc+"?['name']")+", ')')") +
				row("E-mail", html(doc+"?['email']")) +
				row("Manager", html("coalesce("+doc+"?['manager']?['displayName'], 'none')")) +
				row("Lifecycle state", html(doc+"?['attributes']?['cloudLifecycleState']")) +
				row("Status", "concat("+html(doc+"?['status']")+", if(equals("+doc+"?['inactive'], true), ', inactive', ''))") +
				row("Department", html(doc+"?['attributes']?['department']")) +
				row("Accounts", "join(take(body('Account_texts'), 50), '<br>')") +
				row("Access items", "concat(string(length(body('Access_list'))), ', of which privileged: ', string(length(body('Privileged'))))") +
				row("Privileged access", "join(take(body('Privileged_texts'), 50), '<br>')") +
				"'</table></li>')"
			look := together(lookups(name, ""), []step{
				when("One_identity", "equals(length(outputs('Found')), 1)", []step{
					set("Stage_document", "Stage", "reading the details of an identity"),
					sailpoint("Get_document", "GET", "search", "'/identities/', encodeUriComponent(string(first(outputs('Found'))?['id']))", "", nil),
					mapped("Account_texts", "@coalesce("+doc+"?['accounts'], json('[]'))", "@concat("+html("item()?['source']?['name']")+", ': ', "+html("coalesce(item()?['name'], item()?['accountId'])")+", if(equals(item()?['disabled'], true), ' (disabled)', ''), if(equals(item()?['locked'], true), ' (locked)', ''), if(equals(item()?['privileged'], true), ' (privileged)', ''))"),
					filter("Access_list", "@coalesce("+doc+"?['access'], json('[]'))", "@not(equals(item(), null))"),
					filter("Privileged", "@body('Access_list')", "@equals(item()?['privileged'], true)"),
					mapped("Privileged_texts", "@body('Privileged')", "@concat("+html("coalesce(item()?['displayName'], item()?['name'])")+", ' (', "+html("item()?['source']?['name']")+", ')')"),
					add("Note_details", "Done", details),
				}, []step{
					add("Note_not_found", "Done", "@concat('<li>', "+html(name)+", if(empty(outputs('Found')), ': SailPoint has no identity with this account name or e-mail address.', ': several identities of SailPoint fit, and none was chosen.'), '</li>')"),
				}),
			})
			steps := together(t.names, []step{
				filter("Usable_names", "@outputs('Account_names')", "@"+fmt.Sprintf(usable, "string(item())")),
				when("There_are_names", "not(empty(body('Usable_names')))",
					together(signIn(""), []step{
						set("Stage_find", "Stage", "looking for an identity"),
						each("For_each_name", "@take(body('Usable_names'), 10)", look...),
					}),
					[]step{set("No_names", "Refusal", "There is no account in the incident whose name could be looked up.")}),
			})
			return together(
				[]step{initialize("Refusal", "string"), initialize("Stage", "string"), initialize("Done", "string")},
				[]step{{"Identify", object{"type": "Scope", "actions": chain(steps...)}, nil}},
				reportDetails(t, title),
			)
		},
	}
}

// reportDetails is the comment, also after a failure.
func reportDetails(t trigger, title string) []step {
	const broken = "not(equals(actions('Identify')?['status'], 'Succeeded'))"
	message := "@take(concat('<h3>" + title + "</h3>', if(empty(variables('Refusal')), '', concat('<p>', variables('Refusal'), '</p>')), " +
		"if(" + broken + ", concat('<p><b>Not all details could be read: a step failed while ', variables('Stage'), '.</b>', " + ended("Get_secret", "Sign_in") + ", ' The run history of the playbook has the details.</p>'), ''), " +
		"if(empty(variables('Done')), '', concat('<ul>', variables('Done'), '</ul>'))), 29000)"
	return told(t, message, broken)
}
