package playbooks

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// object is a JSON object.
type object = map[string]any

// step is an action with its name.
type step struct {
	name   string
	action object
	// after are the states of the step before in which this one runs; nil means that it succeeded.
	after []string
}

var anyway = []string{"Succeeded", "Failed", "TimedOut", "Skipped"} //nolint:gochecknoglobals // a constant

// chain puts steps one behind the other.
func chain(steps ...step) object {
	all := object{}
	for i, s := range steps {
		action := maps.Clone(s.action)
		action["runAfter"] = object{}
		if i > 0 {
			states := s.after
			if states == nil {
				states = []string{"Succeeded"}
			}
			action["runAfter"] = object{steps[i-1].name: states}
		}
		all[s.name] = action
	}
	return all
}

func together(groups ...[]step) []step { return slices.Concat(groups...) }

func set(name, variable string, value any) step {
	return step{name, object{"type": "SetVariable", "inputs": object{"name": variable, "value": value}}, nil}
}

// add appends to the text of a variable.
func add(name, variable, value string) step {
	return step{name, object{"type": "AppendToStringVariable", "inputs": object{"name": variable, "value": value}}, nil}
}

func initialize(variable, kind string) step {
	v := object{"name": variable, "type": kind}
	if kind == "string" {
		v["value"] = ""
	}
	return step{"Initialize_" + variable, object{"type": "InitializeVariable", "inputs": object{"variables": []any{v}}}, nil}
}

func compose(name, value string) step {
	return step{name, object{"type": "Compose", "inputs": value}, nil}
}

// filter keeps elements of a list.
func filter(name, from, where string) step {
	return step{name, object{"type": "Query", "inputs": object{"from": from, "where": where}}, nil}
}

// mapped makes a list of another one.
func mapped(name, from string, element any) step {
	return step{name, object{"type": "Select", "inputs": object{"from": from, "select": element}}, nil}
}

// when runs steps if an expression holds, and others if it does not.
func when(name, expression string, yes, no []step) step {
	action := object{"type": "If", "expression": object{"and": []any{object{"equals": []any{"@" + expression, true}}}}, "actions": chain(yes...)}
	if no != nil {
		action["else"] = object{"actions": chain(no...)}
	}
	return step{name, action, nil}
}

// unlessRefused is a part of the workflow that is left out once something speaks against it.
func unlessRefused(name string, steps ...step) step {
	return when(name, "empty(variables('Refusal'))", steps, nil)
}

// each runs steps for each element, one after the other.
func each(name, list string, steps ...step) step {
	return step{name, object{"type": "Foreach", "foreach": list, "actions": chain(steps...), "runtimeConfiguration": object{"concurrency": object{"repetitions": 1}}}, nil}
}

// until repeats steps.
func until(name, expression string, count int, timeout string, steps ...step) step {
	return step{name, object{"type": "Until", "expression": "@" + expression, "limit": object{"count": count, "timeout": timeout}, "actions": chain(steps...)}, nil}
}

func wait(name string, seconds int) step {
	return step{name, object{"type": "Wait", "inputs": object{"interval": object{"count": seconds, "unit": "Second"}}}, nil}
}

// run lets a step run in more states of the one before.
func (s step) run(states ...string) step {
	s.after = states
	return s
}

// caught runs a step also when the one before failed.
func (s step) caught() step { return s.run("Succeeded", "Failed", "TimedOut") }

// How often a request is repeated that was answered 408, 429 or 5xx.
func retries() object {
	return object{"type": "exponential", "count": 3, "interval": "PT10S", "maximumInterval": "PT1M"}
}

// request is an HTTP action. What it sends is kept out of the history, for it signs in.
func request(name, method, uri string, authentication object, body any) step {
	inputs := object{"method": method, "uri": uri, "authentication": authentication, "retryPolicy": retries()}
	if body != nil {
		inputs["body"] = body
		inputs["headers"] = object{"Content-Type": "application/json"}
	}
	return step{name, object{
		"type": "Http", "inputs": inputs, "operationOptions": "DisableAsyncPattern",
		"runtimeConfiguration": object{"secureData": object{"properties": []any{"inputs"}}},
	}, nil}
}

// once takes the retries from a request that must not be sent twice.
func (s step) once() step {
	s.action["inputs"].(object)["retryPolicy"] = object{"type": "none"}
	return s
}

// hidden keeps the answer of a request out of the history, too.
func (s step) hidden() step {
	s.action["runtimeConfiguration"] = object{"secureData": object{"properties": []any{"inputs", "outputs"}}}
	return s
}

func managedIdentity(audience string) object {
	return object{"type": "ManagedServiceIdentity", "audience": audience}
}

// azure is a request to Resource Manager with the identity of the playbook.
func azure(name, method, path string, body any) step {
	return request(name, method, "@concat(parameters('ResourceManager'), "+path+")", managedIdentity("@parameters('ResourceManager')"), body)
}

// signIn gets a token of SailPoint. A token outlives no approval, so the steps have a suffix and come twice.
func signIn(suffix string) []step {
	secret, token := "Get_secret"+suffix, "Sign_in"+suffix
	first := request(secret, "GET", "@concat(parameters('SecretUri'), '?api-version=7.4')", managedIdentity("@parameters('VaultAudience')"), nil).hidden()
	second := step{token, object{
		"type": "Http", "operationOptions": "DisableAsyncPattern",
		"inputs": object{
			"method": "POST", "uri": "@concat(parameters('SailPointUrl'), '/oauth/token')", "headers": object{"Content-Type": "application/x-www-form-urlencoded"},
			"body":        "@concat('grant_type=client_credentials&client_id=', encodeUriComponent(parameters('ClientId')), '&client_secret=', encodeUriComponent(body('" + secret + "')?['value']))",
			"retryPolicy": retries(),
		},
	}, nil}.hidden()
	return []step{set("Stage_sign_in"+suffix, "Stage", "signing in to SailPoint"), first, second}
}

// sailpoint is a request to a service of SailPoint, with the token of signIn(suffix).
func sailpoint(name, method, service, rest, suffix string, body any) step {
	uri := "@parameters('Api')['" + service + "']"
	if rest != "" {
		uri = "@concat(parameters('Api')['" + service + "'], " + rest + ")"
	}
	return request(name, method, uri, object{"type": "Raw", "value": "@concat('Bearer ', body('Sign_in" + suffix + "')?['access_token'])"}, body)
}

// equalTo is a query parameter filters with one condition.
func equalTo(field, value string) string {
	return fmt.Sprintf(`'filters=', encodeUriComponent(concat('%s eq "', %s, '"'))`, field, value)
}

// html escapes the value of an expression for a comment or an e-mail.
func html(expression string) string {
	return "replace(replace(string(" + expression + "), '&', '&amp;'), '<', '&lt;')"
}

func connection(name string) object {
	return object{"connection": object{"name": "@parameters('$connections')['" + name + "']['connectionId']"}}
}

// ended names the requests that failed, with what was answered.
func ended(requests ...string) string {
	var parts []string
	for _, r := range requests {
		parts = append(parts, fmt.Sprintf("if(equals(actions('%[1]s')?['status'], 'Failed'), concat(' %[1]s: HTTP ', string(coalesce(outputs('%[1]s')?['statusCode'], '-')), '.'), '')", r))
	}
	return strings.Join(parts, ", ")
}
