package content

import (
	"slices"
	"strings"
)

// Technique is a technique of MITRE ATT&CK for enterprises, with the tactics
// it belongs to, as Sentinel spells them.
type Technique struct {
	ID, Name string
	Tactics  []string
}

// Techniques are those that the content uses, sorted by id, each before its
// sub-techniques. Names and tactics are those of attack.mitre.org, version 17.
func Techniques() []Technique {
	return []Technique{
		{"T1020", "Automated Exfiltration", []string{"Exfiltration"}},
		{"T1078", "Valid Accounts", []string{"InitialAccess", "Persistence", "PrivilegeEscalation", "DefenseEvasion"}},
		{"T1078.004", "Valid Accounts: Cloud Accounts", []string{"InitialAccess", "Persistence", "PrivilegeEscalation", "DefenseEvasion"}},
		{"T1087", "Account Discovery", []string{"Discovery"}},
		{"T1098", "Account Manipulation", []string{"Persistence", "PrivilegeEscalation"}},
		{"T1098.001", "Account Manipulation: Additional Cloud Credentials", []string{"Persistence", "PrivilegeEscalation"}},
		{"T1098.003", "Account Manipulation: Additional Cloud Roles", []string{"Persistence", "PrivilegeEscalation"}},
		{"T1110", "Brute Force", []string{"CredentialAccess"}},
		{"T1110.001", "Brute Force: Password Guessing", []string{"CredentialAccess"}},
		{"T1110.003", "Brute Force: Password Spraying", []string{"CredentialAccess"}},
		{"T1114", "Email Collection", []string{"Collection"}},
		{"T1114.003", "Email Collection: Email Forwarding Rule", []string{"Collection"}},
		{"T1136", "Create Account", []string{"Persistence"}},
		{"T1136.003", "Create Account: Cloud Account", []string{"Persistence"}},
		{"T1199", "Trusted Relationship", []string{"InitialAccess"}},
		{"T1213", "Data from Information Repositories", []string{"Collection"}},
		{"T1484", "Domain or Tenant Policy Modification", []string{"PrivilegeEscalation", "DefenseEvasion"}},
		{"T1484.002", "Domain or Tenant Policy Modification: Trust Modification", []string{"PrivilegeEscalation", "DefenseEvasion"}},
		{"T1485", "Data Destruction", []string{"Impact"}},
		{"T1489", "Service Stop", []string{"Impact"}},
		{"T1505", "Server Software Component", []string{"Persistence"}},
		{"T1528", "Steal Application Access Token", []string{"CredentialAccess"}},
		{"T1531", "Account Access Removal", []string{"Impact"}},
		{"T1546", "Event Triggered Execution", []string{"Persistence", "PrivilegeEscalation"}},
		{"T1555", "Credentials from Password Stores", []string{"CredentialAccess"}},
		{"T1555.006", "Credentials from Password Stores: Cloud Secrets Management Stores", []string{"CredentialAccess"}},
		{"T1556", "Modify Authentication Process", []string{"Persistence", "DefenseEvasion", "CredentialAccess"}},
		{"T1556.006", "Modify Authentication Process: Multi-Factor Authentication", []string{"Persistence", "DefenseEvasion", "CredentialAccess"}},
		{"T1556.007", "Modify Authentication Process: Hybrid Identity", []string{"Persistence", "DefenseEvasion", "CredentialAccess"}},
		{"T1562", "Impair Defenses", []string{"DefenseEvasion"}},
		{"T1562.008", "Impair Defenses: Disable or Modify Cloud Logs", []string{"DefenseEvasion"}},
		{"T1565", "Data Manipulation", []string{"Impact"}},
	}
}

// Tactics are the tactics in the order of the matrix.
func Tactics() []string {
	return []string{
		"InitialAccess", "Execution", "Persistence", "PrivilegeEscalation", "DefenseEvasion", "CredentialAccess",
		"Discovery", "LateralMovement", "Collection", "Exfiltration", "CommandAndControl", "Impact",
	}
}

// Parents are the techniques of a list without their sub-techniques, each once:
// the service refuses T1098.003 for an analytic rule, which the solution
// repository wants.
func Parents(techniques []string) []string {
	var parents []string
	for _, id := range techniques {
		if id, _, _ := strings.Cut(id, "."); !slices.Contains(parents, id) {
			parents = append(parents, id)
		}
	}
	return parents
}

// URL is the page of a technique.
func (t Technique) URL() string {
	return "https://attack.mitre.org/techniques/" + strings.ReplaceAll(t.ID, ".", "/") + "/"
}

// TechniqueOf finds a technique by its id.
func TechniqueOf(id string) (Technique, bool) {
	all := Techniques()
	i := slices.IndexFunc(all, func(t Technique) bool { return t.ID == id })
	if i < 0 {
		return Technique{}, false
	}
	return all[i], true
}
