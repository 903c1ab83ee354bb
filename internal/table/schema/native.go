package schema

import (
	"os"
	"path/filepath"
)

// NativeTransforms reads the transforms into Microsoft's native ASIM tables from the repository at
// root, by table name.
func NativeTransforms(root string) (map[string]string, error) {
	asim := make(map[string]string)
	for file, table := range map[string]string{
		"AuditEvent": "ASimAuditEventLogs", "Authentication": "ASimAuthenticationEventLogs", "UserManagement": "ASimUserManagementActivityLogs",
	} {
		text, err := os.ReadFile(filepath.Join(root, "sentinel", "asim", "transforms", file+".kql"))
		if err != nil {
			return nil, err
		}
		asim[table] = string(text)
	}
	return asim, nil
}
