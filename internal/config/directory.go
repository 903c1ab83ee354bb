package config

import (
	"slices"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
)

const (
	directoryID, appID = "WORKSPACE_DIRECTORY_ID", "WORKSPACE_APP_ID"
	inPortal           = "in the Azure portal it is in the overview of Microsoft Entra ID, as Tenant ID"
	withoutDirectory   = "is set without " + directoryID + ": set that to the directory that the workspace is in; " + inPortal
)

// unusedApp hints at an app registration for all connections if none of them is in another directory.
func unusedApp(app *Reader, connections []*Reader) {
	abroad := func(r *Reader) bool { return r.isSet(directoryID) || r.Reported(directoryID) || r.Reported(appID) }
	if app.isSet(appID) && !slices.ContainsFunc(connections, abroad) {
		app.Hint(appID, withoutDirectory)
	}
}

// directory checks the settings of a workspace in another directory than the function app's, and of a
// connection that has a workspace of its own: what belongs together must be set together.
func (v *sinkReader) directory(api IngestionAPI) {
	const inApp = "it is the Application (client) ID of the app registration"
	own := v.own("AZURE_CLIENT_ID")
	if own && !address.GUID(v.text.AzureClientID) { // the app's is checked with the storage account
		v.Problem("AZURE_CLIENT_ID", "is not a GUID: use the client ID of the user-assigned identity, or remove the setting")
	}
	switch {
	case v.text.DirectoryID == "" && (v.text.AppID == "" || v.prefix != "" && !v.own(appID) && !v.Reported(directoryID)):
		v.ownWorkspace(api) // in the app's own directory; an app registration for all is for the others
		return
	case v.text.DirectoryID == "" && !v.Reported(directoryID):
		v.Problem(appID, withoutDirectory)
	case v.text.AppID == "" && !v.Reported(appID):
		v.Problemf(directoryID, "is set without %s, the multi-tenant app registration that signs in there; %s", appID, inApp)
	}
	if v.text.DirectoryID != "" && !address.GUID(v.text.DirectoryID) {
		v.Problem(directoryID, "is not a GUID: use the directory's ID, not its name; "+inPortal)
	}
	if v.text.AppID != "" && !address.GUID(v.text.AppID) {
		v.Problem(appID, "is not a GUID: use the ID, not the name; "+inApp)
	}
	switch {
	case v.Reported("AZURE_CLIENT_ID") || v.text.AppID == "":
	case v.text.AzureClientID == "":
		v.Problemf(appID, "trusts a user-assigned managed identity, and none is named: set AZURE_CLIENT_ID to its client ID, because a system-assigned one can't be trusted")
	case strings.EqualFold(v.text.AzureClientID, v.text.AppID):
		v.Problemf(appID, "is the ID of the managed identity in AZURE_CLIENT_ID: use that of the app registration, which trusts this identity; %s", inApp)
	}
	v.sameCloud()
	v.ownRule(directoryID)
	v.ownWorkspace(api)
}

// ownRule reports a connection with a directory of its own that would write into the others' workspace.
func (v *sinkReader) ownRule(directory string) {
	if !v.own(directory) {
		return
	}
	for _, s := range []struct{ name, text string }{{"CUSTOMER_ID", v.text.CustomerID}, {"LOGS_INGESTION_ENDPOINT", v.text.LogsEndpoint}, {"DCR_IMMUTABLE_ID", v.text.DCRImmutableID}} {
		if s.text == "" || v.own(s.name) || v.Reported(s.name) {
			continue
		}
		v.Problemf(directory, "gives this connection a directory of its own, but %s is shared with others: set %s to that of the workspace there", s.name, v.prefix+"_"+s.name)
	}
}

// ownWorkspace reports a connection with a destination of its own that is not used, because a setting for
// all chooses another. It hints at one whose rows go elsewhere than its queries, or seem to.
func (v *sinkReader) ownWorkspace(api IngestionAPI) {
	rule, workspace, key := v.own("DCR_IMMUTABLE_ID"), v.own("CUSTOMER_ID"), v.own("SHARED_KEY")
	const others = "is set for this connection, but its rows would go to the workspace of others by their %s: set %s=%s, or remove this setting"
	switch {
	case v.own("INGESTION_API"):
	case api == UseDataCollector && rule && !key:
		v.Problemf("DCR_IMMUTABLE_ID", others, "workspace key", v.prefix+"_INGESTION_API", UseLogsIngestion)
	case api == UseLogsIngestion && key && !rule:
		v.Problemf("SHARED_KEY", others, "data collection rule", v.prefix+"_INGESTION_API", UseDataCollector)
	}
	switch {
	case api != UseLogsIngestion || v.text.CustomerID == "" || v.text.DCRImmutableID == "" || rule == workspace:
	case workspace:
		v.Hint("CUSTOMER_ID", "names a workspace of this connection, but its rows go to the data collection rule that others share (DCR_IMMUTABLE_ID): if it has a rule of its own, set "+v.prefix+"_DCR_IMMUTABLE_ID")
	default:
		v.Hint("DCR_IMMUTABLE_ID", "names a rule of this connection, but queries go to the workspace that others share (CUSTOMER_ID): if the rule writes to another one, set "+v.prefix+"_CUSTOMER_ID")
	}
}

// sameCloud reports a sign-in service of another cloud than the workspace's: its tokens are good in its
// own cloud only.
func (v *sinkReader) sameCloud() {
	at := v.text.LogsEndpoint
	if at == "" {
		at = v.text.LogAnalyticsURI
	}
	there, here := cloudSuffix(at), cloudSuffix(v.text.Authority)
	if v.text.Authority != "" && at != "" && there != "" && here != "" && there != here {
		v.Problemf("WORKSPACE_DIRECTORY_ID", "is a directory for a workspace in another cloud than AZURE_AUTHORITY_HOST: a managed identity can sign in within its own cloud only; run the connector in that cloud, or use the workspace key")
	}
}

// cloudSuffix is the end of a host's name that shows the cloud: com, us or cn; "" for none of them.
func cloudSuffix(text string) string {
	text, _, _ = strings.Cut(strings.TrimPrefix(strings.ToLower(text), "https://"), "/")
	switch end := text[strings.LastIndexByte(text, '.')+1:]; end {
	case "com", "us", "cn":
		return end
	}
	return ""
}
