package asim

import (
	"fmt"
	"regexp"
	"strings"
)

// Word tells a value by a pattern in the name.
type Word struct{ Value, Pattern string }

// TypeWords tell the type of an AuditEvent. The words of a list are tried in
// order; the first that matches, in any case, decides. None means Other.
func TypeWords() []Word {
	return []Word{
		{"Set", "updat|modif|chang|assign|reset|configur|renew|correlat"},
		{"Delete", "delet|remov|purg|prun|cleanup|revok"},
		{"Create", "creat|add|import|upload|submit|generat|regist|requested$"},
		{"Disable", "disabl|deactiv|[^n]block"},
		{"Enable", "enabl|activat|unblock|publish"},
		{"Start", "start|launched"},
		{"Stop", "terminat|cancel|complet|finish|expire"},
		{"Read", "export|download|reveal|accessed|search|retriev"},
		{"Execute", "launch|execut|deploy|verif|evaluat|replay|test|aggregat|authenticat|collection|process"},
	}
}

// ObjectWords tell what kind of object an AuditEvent is about.
func ObjectWords() []Word {
	return []Word{
		{"Scheduled Task", "schedul"},
		{"Policy Rule", "policy|sod_|_sod|violation|segment|criteria|requirement|task_group|rule_"},
		{"Configuration Atom", "config|param|template|transform|api_client|access_token|access model|branding|kba|subscription|saved_search|identity_provider|lockout|setting|org_|taskresult|session|saml"},
		{"Service", "source|schema|account_[pd]|workflow|managed_|launch|iai_|process_|connector|connection|inventory|ciem|audit_entitlement_[cd]|cluster|saas|correlation_"},
		{"Directory Service Object", "^ne_|non_employee|identity|^role|^app_|access_profile|entitlement|dimension|user_|attribute|access_item|lifecycle|privilege|_change$"},
	}
}

// resultWords tell the result of an event. None leaves it to the status.
func resultWords() []Word {
	return []Word{
		{"Failure", "fail(ed|ure)|_error|denied"},
		{"Success", "passed|succeeded|success"},
		{"NA", "started|skipped|pending"},
	}
}

// byWord is what words make of a key.
func byWord(words []Word, key, otherwise string) string {
	for _, w := range words {
		if regexp.MustCompile(w.Pattern).MatchString(key) {
			return w.Value
		}
	}
	return otherwise
}

// arms writes words as the arms of a case() over a column.
func arms(words []Word, column string) string {
	var b strings.Builder
	for _, w := range words {
		fmt.Fprintf(&b, "      %s matches regex @'%s', '%s',\n", column, w.Pattern, w.Value)
	}
	return b.String()
}
