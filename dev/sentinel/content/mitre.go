package content

import "slices"

// Technique is a technique of MITRE ATT&CK for enterprises, with the tactics
// it belongs to, as Sentinel spells them.
type Technique struct {
	ID, Name string
	Tactics  []string
}

// Techniques are those that the content uses, sorted by id. Names and tactics
// are those of attack.mitre.org, version 17.
func Techniques() []Technique {
	return []Technique{
		{"T1078", "Valid Accounts", []string{"InitialAccess", "Persistence", "PrivilegeEscalation", "DefenseEvasion"}},
		{"T1087", "Account Discovery", []string{"Discovery"}},
		{"T1098", "Account Manipulation", []string{"Persistence", "PrivilegeEscalation"}},
		{"T1110", "Brute Force", []string{"CredentialAccess"}},
		{"T1114", "Email Collection", []string{"Collection"}},
		{"T1136", "Create Account", []string{"Persistence"}},
		{"T1199", "Trusted Relationship", []string{"InitialAccess"}},
		{"T1213", "Data from Information Repositories", []string{"Collection"}},
		{"T1484", "Domain or Tenant Policy Modification", []string{"PrivilegeEscalation", "DefenseEvasion"}},
		{"T1485", "Data Destruction", []string{"Impact"}},
		{"T1489", "Service Stop", []string{"Impact"}},
		{"T1505", "Server Software Component", []string{"Persistence"}},
		{"T1528", "Steal Application Access Token", []string{"CredentialAccess"}},
		{"T1531", "Account Access Removal", []string{"Impact"}},
		{"T1546", "Event Triggered Execution", []string{"Persistence", "PrivilegeEscalation"}},
		{"T1555", "Credentials from Password Stores", []string{"CredentialAccess"}},
		{"T1556", "Modify Authentication Process", []string{"Persistence", "DefenseEvasion", "CredentialAccess"}},
		{"T1562", "Impair Defenses", []string{"DefenseEvasion"}},
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

// TechniqueOf finds a technique by its id.
func TechniqueOf(id string) (Technique, bool) {
	all := Techniques()
	i := slices.IndexFunc(all, func(t Technique) bool { return t.ID == id })
	if i < 0 {
		return Technique{}, false
	}
	return all[i], true
}
