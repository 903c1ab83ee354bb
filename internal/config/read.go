package config

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// raw is the environment as text. All fields are strings of either kind, so that
// reading can't fail: an error of envconfig would print the value.
//
// Fields tagged exact are not upper case in the environment. envconfig would
// look for their upper-case form, so they are read without it.
type raw struct {
	TenantID   string        `envconfig:"TENANT_ID"`
	ClientID   string        `envconfig:"CLIENT_ID"`
	Secret     secret.String `envconfig:"CLIENT_SECRET"`
	GrantType  string        `envconfig:"GRANT_TYPE"`
	BaseURL    string        `envconfig:"SAILPOINT_BASE_URL"`
	APIVersion string        `envconfig:"SAILPOINT_API_VERSION"`
	Limit      string        `envconfig:"LIMIT"`

	IngestionAPI    string        `envconfig:"INGESTION_API"`
	CustomerID      string        `envconfig:"CUSTOMER_ID"`
	SharedKey       secret.String `envconfig:"SHARED_KEY"`
	LogAnalyticsURI string        `ignored:"true" exact:"logAnalyticsUri"`
	QueryURL        string        `envconfig:"LOG_ANALYTICS_QUERY_URL"`
	LogsEndpoint    string        `envconfig:"LOGS_INGESTION_ENDPOINT"`
	DCRImmutableID  string        `envconfig:"DCR_IMMUTABLE_ID"`
	BatchBytes      string        `envconfig:"BATCH_BYTES"`
	NDJSONPath      string        `envconfig:"NDJSON_PATH"`

	StateURL       string        `envconfig:"STATE_URL"`
	AccountName    string        `envconfig:"AZURE_STORAGE_ACCOUNT_NAME"`
	AccountKey     secret.String `envconfig:"AZURE_STORAGE_ACCESS_KEY"`
	BlobEndpoint   string        `envconfig:"AZURE_STORAGE_BLOB_ENDPOINT"`
	AzureClientID  string        `envconfig:"AZURE_CLIENT_ID"`
	WebJobs        secret.String `ignored:"true" exact:"AzureWebJobsStorage"`
	WebJobsBlobURI string        `ignored:"true" exact:"AzureWebJobsStorage__blobServiceUri"`
	WebJobsAccount string        `ignored:"true" exact:"AzureWebJobsStorage__accountName"`
	WebJobsCred    string        `ignored:"true" exact:"AzureWebJobsStorage__credential"`
	WebJobsClient  string        `ignored:"true" exact:"AzureWebJobsStorage__clientId"`

	Legacy string `envconfig:"LEGACY_CHECKPOINT"`

	PollSchedule    string `envconfig:"POLL_SCHEDULE"`
	InitialLookback string `envconfig:"INITIAL_LOOKBACK"`
	SettleDelay     string `envconfig:"SETTLE_DELAY"`
	RunBudget       string `envconfig:"RUN_BUDGET"`
	AuditAges       string `envconfig:"AUDIT_AGES"`
	LedgerKeep      string `envconfig:"LEDGER_KEEP"`
	QuarantineKeep  string `envconfig:"QUARANTINE_KEEP"`
	ReadBack        string `envconfig:"READ_BACK"`
	HealthTable     string `envconfig:"HEALTH_TABLE"`
	LogLevel        string `envconfig:"LOG_LEVEL"`
}

// read fills v.raw from the environment, cleans every value and puts the
// defaults in.
func (v *validator) read() {
	if err := envconfig.Process("", &v.raw); err != nil {
		// Not reached while all fields are text. err may print a value.
		v.add("environment", "can't be read")
	}
	defaults := map[string]string{}
	for _, s := range Table() {
		defaults[s.Name] = s.Default
	}
	fields := reflect.ValueOf(&v.raw).Elem()
	for i := range fields.NumField() {
		tag := fields.Type().Field(i).Tag
		name, exact := tag.Lookup("exact")
		if !exact {
			name = tag.Get("envconfig")
		}
		switch field := fields.Field(i).Addr().Interface().(type) {
		case *string:
			if exact {
				*field = v.lookup(name)
			}
			if *field = v.clean(name, *field); *field == "" && !v.reported(name) {
				*field = defaults[name]
			}
		case *secret.String:
			text := field.Reveal()
			if exact {
				text = v.lookup(name)
			}
			*field = secret.New(v.clean(name, text))
		}
	}
}

// lookup returns a variable under its exact name. One that differs in case only
// would be ignored without a word on Linux, so it is reported.
func (v *validator) lookup(name string) string {
	value, ok := os.LookupEnv(name)
	if ok || runtime.GOOS == "windows" {
		return value
	}
	for _, entry := range os.Environ() {
		other, _, _ := strings.Cut(entry, "=")
		if strings.EqualFold(other, name) {
			v.add(name, "is set as "+other+": upper and lower case matter, rename it")
		}
	}
	return ""
}

// validator collects problems while it turns text into values.
type validator struct {
	raw      raw
	problems []Problem
}

func (v *validator) add(setting, message string) {
	v.problems = append(v.problems, Problem{setting, message})
}

func (v *validator) addf(setting, format string, args ...any) {
	v.add(setting, fmt.Sprintf(format, args...))
}

// reported says whether there is a problem with the setting already; then its
// absence is no second one.
func (v *validator) reported(setting string) bool {
	return slices.ContainsFunc(v.problems, func(p Problem) bool { return p.Setting == setting })
}

// require reports a setting that is empty.
func (v *validator) require(setting, value, remedy string) bool {
	if value == "" && !v.reported(setting) {
		v.add(setting, "is missing: "+remedy)
	}
	return value != ""
}
