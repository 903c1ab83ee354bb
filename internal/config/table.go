package config

import "strings"

// Setting describes one app setting.
type Setting struct {
	// Name is the environment variable; case matters.
	Name string
	// Default is the value used when the setting is absent or empty; "" for none.
	Default string
	// Otherwise describes what applies without the setting, if Default can't.
	Otherwise string
	// Meaning is one or two sentences of Markdown.
	Meaning string
	// Secret values belong in Key Vault and are never shown. Those that are read into a
	// secret.Value can be references to it.
	Secret bool
	// Required settings have no usable default. SAILPOINT_BASE_URL can replace TENANT_ID.
	Required bool
	// App settings apply to the whole app; a connection can't have its own.
	App bool
}

// spelled reports whether a name, without the prefix of a connection, is one that the setting has with
// it: its own, or that in upper case.
func (s Setting) spelled(name string) bool { return name == s.Name || name == strings.ToUpper(s.Name) }

// Table returns every setting in reading order, those of the sources first.
func Table(kinds []Kind) []Setting {
	var list []Setting
	for _, k := range kinds {
		list = append(list, k.Table...)
	}
	return append(list, shared()...)
}

// shared returns the settings that don't belong to a source.
func shared() []Setting {
	return []Setting{
		{Name: "CONNECTIONS", App: true, Meaning: "Names of several connections in one app, for instance `acme,globex`: letters and digits. Each setting of a connection is looked up as `ACME_TENANT_ID` and then as `TENANT_ID`. Without it there is one connection without a name. See [docs/connections.md](docs/connections.md)."},

		{Name: "INGESTION_API", Otherwise: "by what is set", Meaning: "`DataCollector` (needs `CUSTOMER_ID` and `SHARED_KEY`), `LogsIngestion` (needs `LOGS_INGESTION_ENDPOINT` and `DCR_IMMUTABLE_ID`, and no key) or `NDJSON` (stdout or a file, for previews)."},
		{Name: "CUSTOMER_ID", Meaning: "Workspace ID, for `DataCollector`."},
		{Name: "SHARED_KEY", Secret: true, Meaning: "Primary or secondary key of the workspace, for `DataCollector`."},
		{Name: "SHARED_KEY_SECONDARY", Secret: true, Meaning: "The other key, tried when the workspace refuses `SHARED_KEY`: a regenerated key then stops nothing."},
		{Name: "logAnalyticsUri", Otherwise: "`https://{CUSTOMER_ID}.ods.opinsights.azure.com`", Meaning: "Address of the workspace in another cloud, for instance `https://{CUSTOMER_ID}.ods.opinsights.azure.us`."},
		{Name: "LOG_ANALYTICS_QUERY_URL", Otherwise: "by the cloud of `logAnalyticsUri`", Meaning: "Address used to query the workspace for what has arrived (`idnsentinel audit --workspace`), for instance `https://api.loganalytics.us`. The identity needs the role Log Analytics Reader."},
		{Name: "LOGS_INGESTION_ENDPOINT", Meaning: "Logs ingestion URI of the data collection rule, or of a data collection endpoint, for `LogsIngestion`: `https://NAME.REGION-1.ingest.monitor.azure.com`."},
		{Name: "DCR_IMMUTABLE_ID", Meaning: "Immutable ID of that rule (`dcr-` and 32 digits), for `LogsIngestion`. The identity needs the role Monitoring Metrics Publisher on the rule."},
		{Name: "WORKSPACE_DIRECTORY_ID", Otherwise: "the directory of the function app", Meaning: "Directory (tenant) ID of Microsoft Entra ID that the workspace is in, if it is another one than the function app's: for `LogsIngestion`, for queries of the workspace, and for a Key Vault there. See [docs/workspaces.md](docs/workspaces.md)."},
		{Name: "WORKSPACE_APP_ID", Meaning: "With it: application (client) ID of the multi-tenant app registration that signs in there. It trusts the user-assigned identity in `AZURE_CLIENT_ID` by a federated credential."},
		{Name: "BATCH_BYTES", Otherwise: "`4000000`, or `8000000` for `LogsIngestion`", Meaning: "Target size of a batch, in bytes of its records, 1024 to 30000000. For `LogsIngestion` it is the maximum, because batches are filled to 1 MB after compression."},
		{Name: "NDJSON_PATH", Otherwise: "stdout", Meaning: "File that `NDJSON` appends to."},

		{Name: "STATE_URL", App: true, Default: "azblob://sailpoint-connector", Meaning: "Where checkpoints live: `azblob://container` in the storage account below, or, on your own machine, `file:///absolute/dir` or `file:relative/dir`."},
		{Name: "AZURE_STORAGE_ACCOUNT_NAME", App: true, Otherwise: "the account of `AzureWebJobsStorage`", Meaning: "Storage account for `azblob://`."},
		{Name: "AZURE_STORAGE_ACCESS_KEY", App: true, Otherwise: "managed identity", Secret: true, Meaning: "Key of that account."},
		{Name: "AZURE_STORAGE_BLOB_ENDPOINT", App: true, Otherwise: "`https://{account}.blob.core.windows.net`", Meaning: "Address of the blob service, for sovereign clouds, private endpoints or Azurite."},
		{Name: "AZURE_CLIENT_ID", Otherwise: "the system-assigned identity", Meaning: "Client ID of a user-assigned managed identity, for the storage account, for `LogsIngestion`, for Key Vault, and to sign in as `WORKSPACE_APP_ID`."},
		{Name: "AzureWebJobsStorage", App: true, Secret: true, Meaning: "The Functions host's own connection string; also `UseDevelopmentStorage=true`. Used for `azblob://` if no account is set above."},
		{Name: "AzureWebJobsStorage__blobServiceUri", App: true, Meaning: "Instead of the connection string, with a managed identity: address of the blob service."},
		{Name: "AzureWebJobsStorage__queueServiceUri", App: true, Meaning: "The same for the queue of `FAN_OUT`: address of the queue service."},
		{Name: "AzureWebJobsStorage__accountName", App: true, Meaning: "The same, by account name, for the public cloud."},
		{Name: "AzureWebJobsStorage__credential", App: true, Meaning: "`managedidentity` or empty."},
		{Name: "AzureWebJobsStorage__clientId", App: true, Otherwise: "`AZURE_CLIENT_ID`", Meaning: "Client ID of the identity for this account."},

		{Name: "LEGACY_CHECKPOINT", Default: "auto", Meaning: "Where the very first run finds the checkpoint of the Python function, or of Microsoft's function for Okta, that this connector replaces: address of the table service of its storage account (`https://NAME.table.core.windows.net`; the identity needs the role Storage Table Data Reader there), or `off`. `auto` reads the account of the state, if it is opened with a key. See [docs/migrate.md](docs/migrate.md)."},

		{Name: "POLL_SCHEDULE", App: true, Default: "0 * * * * *", Meaning: "Timer in NCRONTAB, six fields: second, minute, hour, day, month, day of week. The host disables the function if it is missing."},
		{Name: "INITIAL_LOOKBACK", Default: "24h", Meaning: "How far back the very first run begins, unless there is a `LEGACY_CHECKPOINT`. Write durations as `90s`, `4m` or `24h`."},
		{Name: "SETTLE_DELAY", Default: "60s", Meaning: "How long before now a search ends, 0 to 1h, so that events have been indexed."},
		{Name: "RUN_BUDGET", App: true, Default: "4m", Meaning: "A run starts no new work after this time, 1s to 9m; the next run continues."},
		{Name: "FAN_OUT", App: true, Default: "off", Meaning: "`queue` puts one message for each connection into a storage queue, and as many instances as the platform starts work them off; `off` polls all connections in one process. `queue` needs the package `released-package-queue.zip`. See [docs/scale.md](docs/scale.md)."},
		{Name: "AUDIT_AGES", Default: "5m,15m,1h,6h,24h", Meaning: "Ages at which the count of closed windows at the source is compared with what was delivered, each from 5m to 144h; `off` disables audits. The youngest age is also the interval; the oldest is how late an event may show up and still be found automatically."},
		{Name: "LEDGER_KEEP", Default: "168h", Meaning: "How long delivered ids are kept, 24h to 2160h; longer than the largest of `AUDIT_AGES`."},
		{Name: "READ_BACK", Default: "off", Meaning: "Query the workspace once a day for which events of an earlier day have arrived: `report` warns about missing events, `repair` sends them again, `off` does neither. Needs the role Log Analytics Reader."},
		{Name: "QUARANTINE_KEEP", Default: "2160h", Meaning: "How long the unchanged originals in quarantine are kept, 192h to 87600h. Runs warn for the last 7 days before an undelivered one expires."},
		{Name: "HEALTH_TABLE", Default: "true", Meaning: "Write one row for each stream and run to `SailPointIDN_Health_CL`, for alerts on silence and lag: `true` or `false`."},
		{Name: "LOG_LEVEL", App: true, Default: "info", Meaning: "`debug`, `info`, `warn` or `error`."},
	}
}

// Markdown renders [Table] for the README.
func Markdown(kinds []Kind) string {
	var b strings.Builder
	b.WriteString("| Setting | Default | Meaning |\n|---|---|---|\n")
	for _, s := range Table(kinds) {
		fallback := s.Otherwise
		switch {
		case s.Required:
			fallback = "**required**"
		case s.Default != "":
			fallback = "`" + s.Default + "`"
		case fallback == "":
			fallback = "–"
		}
		meaning := s.Meaning
		if s.Secret {
			meaning += " *Secret.*"
		}
		b.WriteString("| `" + s.Name + "` | " + fallback + " | " + meaning + " |\n")
	}
	return b.String()
}
