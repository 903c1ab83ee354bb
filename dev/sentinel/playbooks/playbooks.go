package playbooks

import "maps"

// playbook is what differs from one to the next.
type playbook struct {
	name, title, about string
	tags               []string
	updated            string // when it was last changed: YYYY-MM-DD
	// parameters of its own, and what of them the workflow gets.
	parameters object
	values     object
	types      object
	variables  []string // beyond those that all have
	services   []string // of SailPoint, beside identities
	scopes     []string // of SailPoint
	mail       bool     // it sends e-mail also where approval needs none
	steps      func(t trigger) []step
	triggers   []trigger
}

func all() []playbook {
	return []playbook{identityDetails(), disableAccounts(), revokeAccess(), startCertification(), deleteTokens(), messageManager()}
}

func both() []trigger { return []trigger{onIncident(), onEntity()} }

// acting is the whole of a playbook that acts on one identity.
func acting(t trigger, title, subject string, plan, act []step, requests []string) []step {
	again := together(signIn("_again"), act)
	steps := together(
		[]step{initialize("Refusal", "string"), initialize("Stage", "string"), initialize("Done", "string"), initialize("NotDone", "string"), initialize("Plan", "string"), initialize("Answer", "string"), initialize("Approver", "string"), initialize("Identity", "object")},
		[]step{identify(t), protect(t), unlessRefused("Prepare", plan...), approve(t, subject), unlessRefused("Act", again...)},
		report(t, title, []string{"Act"}, append(append([]string{}, lookupNames...), append([]string{"Create_task", "Ask_by_email", "Get_secret_again", "Sign_in_again"}, requests...)...)),
	)
	return steps
}

// note writes down how a request for one of several things ended. thing is an expression of HTML.
func note(request, thing, good string) []step {
	well := "or(" + good + ")"
	return []step{
		add("Note_done_"+request, "Done", "@if("+well+", concat('<li>', "+thing+", '</li>'), '')").caught(),
		add("Note_failed_"+request, "NotDone", "@if("+well+", '', concat('<li>', "+thing+", ' (HTTP ', string(coalesce(outputs('"+request+"')?['statusCode'], '-')), ')</li>'))"),
	}
}

func answered(request string, status string) string {
	return "equals(outputs('" + request + "')?['statusCode'], " + status + ")"
}

const never = "false"

func disableAccounts() playbook {
	const title = "SailPoint - Disable accounts"
	line := "concat(" + html("item()?['sourceName']") + ", ': ', " + html("item()?['name']") + ")"
	return playbook{
		name: "SailPoint-DisableAccounts", title: "Disable the accounts of an identity - SailPoint", updated: "2026-11-30", tags: []string{"Remediation"},
		about:      "Disables the enabled accounts of one identity on all sources that SailPoint governs, or on those that a parameter names, after approval.",
		parameters: object{"Sources": object{"type": "array", "defaultValue": []any{}, "metadata": object{"description": "Names of the sources whose accounts may be disabled. Empty: all sources."}}},
		values:     object{"Sources": "[parameters('Sources')]"}, types: object{"Sources": "Array"},
		services: []string{"accounts"}, scopes: []string{"idn:accounts:read", "idn:accounts-state:manage"}, triggers: both(),
		steps: func(t trigger) []step {
			plan := []step{
				set("Stage_plan", "Stage", "reading the accounts of the identity"),
				sailpoint("List_accounts", "GET", "accounts", "'?limit=250&', "+equalTo("identityId", identity+"?['id']"), "", nil),
				filter("Enabled_accounts", "@body('List_accounts')", "@and(not(equals(item()?['disabled'], true)), or(empty(parameters('Sources')), contains(parameters('Sources'), item()?['sourceName'])))"),
				mapped("Account_lines", "@body('Enabled_accounts')", "@"+line),
				set("Set_plan", "Plan", "@concat('<p>Disable these accounts of ', "+who+", ':</p><ul><li>', join(body('Account_lines'), '</li><li>'), '</li></ul>')"),
				when("Nothing_to_disable", "empty(body('Enabled_accounts'))", []step{set("Refuse_nothing", "Refusal", "@concat("+who+", ' has no enabled account', if(empty(parameters('Sources')), '.', ' on the sources that the playbook is for.'))")}, nil),
				when("Too_many_accounts", "greater(length(body('List_accounts')), 249)", []step{set("Refuse_many", "Refusal", "@concat("+who+", ' has 250 accounts or more: disable them in SailPoint.')")}, nil),
			}
			act := []step{
				set("Stage_act", "Stage", "disabling accounts"),
				each("For_each_account", "@body('Enabled_accounts')", together([]step{
					sailpoint("Disable_account", "POST", "accounts", "'/', encodeUriComponent(string(item()?['id'])), '/disable'", "_again", object{"forceProvisioning": false}),
				}, note("Disable_account", line, answered("Disable_account", "202")+", "+never))...),
			}
			return acting(t, title, "concat('disable ', string(length(body('Enabled_accounts'))), ' accounts of ', string("+identity+"?['name']))", plan, act, []string{"List_accounts"})
		},
	}
}

func deleteTokens() playbook {
	const title = "SailPoint - Delete personal access tokens"
	line := html("item()?['name']")
	return playbook{
		name: "SailPoint-DeletePersonalAccessTokens", title: "Delete the personal access tokens of an identity - SailPoint", updated: "2026-11-30", tags: []string{"Remediation"},
		about:    "Deletes the personal access tokens of one identity after approval. Tokens that the platform manages stay, and so does the one that the playbook signs in with.",
		services: []string{"tokens"}, scopes: []string{"sp:all-personal-access-tokens:manage"}, triggers: both(),
		steps: func(t trigger) []step {
			plan := []step{
				set("Stage_plan", "Stage", "reading the personal access tokens of the identity"),
				sailpoint("List_tokens", "GET", "tokens", "'?owner-id=', encodeUriComponent(string("+identity+"?['id']))", "", nil),
				filter("Tokens_to_delete", "@body('List_tokens')", "@and(not(equals(item()?['managed'], true)), equals(item()?['owner']?['id'], "+identity+"?['id']), not(equals(item()?['id'], parameters('ClientId'))))"),
				mapped("Token_lines", "@body('Tokens_to_delete')", "@"+line),
				set("Set_plan", "Plan", "@concat('<p>Delete these personal access tokens of ', "+who+", ':</p><ul><li>', join(body('Token_lines'), '</li><li>'), '</li></ul>')"),
				when("Nothing_to_delete", "empty(body('Tokens_to_delete'))", []step{set("Refuse_nothing", "Refusal", "@concat("+who+", ' has no personal access token that could be deleted.')")}, nil),
			}
			act := []step{
				set("Stage_act", "Stage", "deleting personal access tokens"),
				each("For_each_token", "@body('Tokens_to_delete')", together([]step{
					sailpoint("Delete_token", "DELETE", "tokens", "'/', encodeUriComponent(string(item()?['id']))", "_again", nil),
				}, note("Delete_token", line, answered("Delete_token", "204")+", "+answered("Delete_token", "404")))...),
			}
			return acting(t, title, "concat('delete ', string(length(body('Tokens_to_delete'))), ' personal access tokens of ', string("+identity+"?['name']))", plan, act, []string{"List_tokens"})
		},
	}
}

func startCertification() playbook {
	const title = "SailPoint - Start a certification"
	body := object{
		"name":     "@take(concat('Microsoft Sentinel: ', string(" + identity + "?['name']), ' ', take(utcNow(), 16)), 150)",
		"deadline": "@addDays(utcNow(), parameters('DeadlineDays'))", "type": "SEARCH",
		"emailNotificationEnabled": true, "autoRevokeAllowed": false,
		"searchCampaignInfo": "[if(empty(parameters('ReviewerId')), createObject('type', 'IDENTITY', 'identityIds', createArray('@variables(''Identity'')?[''id'']')), createObject('type', 'IDENTITY', 'identityIds', createArray('@variables(''Identity'')?[''id'']'), 'reviewer', createObject('type', 'IDENTITY', 'id', parameters('ReviewerId'))))]",
	}
	return playbook{
		name: "SailPoint-StartCertification", title: "Start a certification for an identity - SailPoint", updated: "2026-11-30", tags: []string{"Remediation"},
		about: "Starts a certification campaign for the access of one identity, after approval. The reviewer is the manager, or an identity that a parameter names.",
		parameters: object{
			"DeadlineDays": object{"type": "int", "defaultValue": 7, "minValue": 1, "maxValue": 90, "metadata": object{"description": "Days until the certification is due."}},
			"ReviewerId":   object{"type": "string", "defaultValue": "", "metadata": object{"description": "Id of the identity that reviews. Empty: the manager of the identity."}},
		},
		values: object{"DeadlineDays": "[parameters('DeadlineDays')]"}, types: object{"DeadlineDays": "Int"},
		services: []string{"campaigns"}, scopes: []string{"idn:campaign:manage"}, triggers: both(),
		variables: []string{"Status"},
		steps: func(t trigger) []step {
			create := maps.Clone(body)
			create["description"] = "@concat('Started for an incident of Microsoft Sentinel: ', " + t.incident + ")"
			plan := []step{
				set("Set_plan", "Plan", "@concat('<p>Start a certification of the access of ', "+who+", ', due in ', string(parameters('DeadlineDays')), ' days.</p>')"),
			}
			act := []step{
				set("Stage_act", "Stage", "creating the certification campaign"),
				sailpoint("Create_campaign", "POST", "campaigns", "", "_again", create).once(),
				set("Stage_wait", "Stage", "waiting until the certification campaign is prepared (it was created, and is not started)"),
				until("Wait_for_campaign", "not(or(empty(variables('Status')), equals(variables('Status'), 'PENDING')))", 20, "PT10M",
					wait("Pause_for_campaign", 20),
					sailpoint("Look_at_campaign", "GET", "campaigns", "'/', encodeUriComponent(string(body('Create_campaign')?['id']))", "_again", nil),
					set("Note_status", "Status", "@string(body('Look_at_campaign')?['status'])"),
				),
				when("Is_staged", "equals(variables('Status'), 'STAGED')", []step{
					set("Stage_start", "Stage", "starting the certification campaign (it was created, and is not started)"),
					sailpoint("Start_campaign", "POST", "campaigns", "'/', encodeUriComponent(string(body('Create_campaign')?['id'])), '/activate'", "_again", object{}).once(),
					add("Note_started", "Done", "@concat('<li>The certification campaign ', "+html("body('Create_campaign')?['name']")+", ' was started.</li>')"),
				}, []step{
					add("Note_not_started", "NotDone", "@concat('<li>The certification campaign ', "+html("body('Create_campaign')?['name']")+", ' was created and not started: its status is ', "+html("variables('Status')")+", '. Look at it in SailPoint.</li>')"),
				}).caught(),
			}
			return acting(t, title, "concat('start a certification for ', string("+identity+"?['name']))", plan, act, []string{"Create_campaign", "Look_at_campaign", "Start_campaign"})
		},
	}
}

func messageManager() playbook {
	const title = "SailPoint - Message to the manager"
	return playbook{
		name: "SailPoint-MessageManager", title: "Send a message to the manager of an identity - SailPoint", updated: "2026-11-30", tags: []string{"Response from teams"},
		about:      "Sends an e-mail to the manager whom SailPoint has for an identity, after approval, and asks whether what was seen is expected.",
		parameters: object{"MessageText": object{"type": "string", "defaultValue": "Our security monitoring has noticed activity of this account that we would like to verify. Please answer this message, and tell us whether it is expected.", "metadata": object{"description": "What the message says, in plain text, after the name of the identity."}}},
		values:     object{"MessageText": "[parameters('MessageText')]"}, types: object{"MessageText": "String"},
		mail: true, triggers: both(),
		steps: func(t trigger) []step {
			plan := []step{
				set("Stage_plan", "Stage", "reading the manager of the identity"),
				when("Has_manager", "not(empty(string("+identity+"?['managerRef']?['id'])))", []step{
					sailpoint("Get_manager", "GET", "identities", "'/', encodeUriComponent(string("+identity+"?['managerRef']?['id']))", "", nil),
					when("Has_address", "not(empty(string(body('Get_manager')?['emailAddress'])))", []step{
						set("Set_plan", "Plan", "@concat('<p>Send this message to ', "+html("body('Get_manager')?['name']")+", ' (', "+html("body('Get_manager')?['emailAddress']")+", '), the manager of ', "+who+", ':</p><p>', "+html("parameters('MessageText')")+", '</p>')"),
					}, []step{set("Refuse_no_address", "Refusal", "@concat('The manager of ', "+who+", ' has no e-mail address in SailPoint.')")}),
				}, []step{set("Refuse_no_manager", "Refusal", "@concat("+who+", ' has no manager in SailPoint.')")}),
			}
			act := []step{
				set("Stage_act", "Stage", "sending the e-mail"),
				{"Send_message", object{"type": "ApiConnection", "inputs": object{
					"host": connection("office365"), "method": "post", "path": "/v2/Mail", "retryPolicy": object{"type": "none"},
					"body": object{
						"To": "@string(body('Get_manager')?['emailAddress'])", "Importance": "High",
						"Subject": "@take(concat('Please verify activity of ', string(" + identity + "?['name'])), 150)",
						"Body":    "@concat('<p>', " + who + ", '</p><p>', " + html("parameters('MessageText')") + ", '</p>')",
					},
				}}, nil},
				add("Note_sent", "Done", "@concat('<li>The message was sent to ', "+html("body('Get_manager')?['emailAddress']")+", '.</li>')"),
			}
			return acting(t, title, "concat('message to the manager of ', string("+identity+"?['name']))", plan, act, []string{"Get_manager", "Send_message"})
		},
	}
}
