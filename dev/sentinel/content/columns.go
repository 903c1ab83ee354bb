package content

import (
	"maps"
	"slices"
)

// needed are columns of SailPointIDNEvents that a rule can't work without, or
// not for all that it is about, and that SailPoint's codeless connector does
// not fill: its table has neither addresses nor most of an event's attributes.
//
//nolint:gochecknoglobals // a constant
var needed = map[string][]string{
	"SailPointISCAdminLogonFromNewAddress":           {"IpAddress"},
	"SailPointISCApiCredentialCreatedFromNewAddress": {"IpAddress"},
	"SailPointISCApiCredentialUsedFromNewAddress":    {"IpAddress"},
	"SailPointISCBruteForceSuccess":                  {"IpAddress"},
	"SailPointISCDisabledIdentityActing":             {"AttributesAttributeValue"},
	"SailPointISCImpossibleTravel":                   {"IpAddress"},
	"SailPointISCPasswordResetThenNewAddress":        {"IpAddress"},
	"SailPointISCPasswordSpray":                      {"IpAddress"},
	"SailPointISCPrivilegedAccessGranted":            {"AttributesAccessItemName", "AttributesAttributeValue"},
	"SailPointISCRevocationNotProvisioned":           {"AttributesAccessItemName", "AttributesAttributeValue"},
	"SailPointISCSodViolationAllowed":                {"AttributesPreventativeSodResults"},
	"SailPointISCThreatIntelligenceMatch":            {"IpAddress"},
}

// ColumnsNeeded lists what a rule needs beyond the table of the codeless connector.
func ColumnsNeeded(rule string) []string { return needed[rule] }

// RulesWithNeeds lists the rules that need more than that table has.
func RulesWithNeeds() []string { return slices.Sorted(maps.Keys(needed)) }
