package tenant_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

// logins is a tenant at noon of Tuesday, 2026-09-01, with events of four days.
func logins() *tenant.Tenant {
	h := &tenant.Tenant{Now: fixed(noon())}
	for _, raw := range []string{
		`{"id":"a","created":"2026-08-29T23:59:59.999Z","type":"AUTH","name":"Login Passed","action":"AUTHENTICATION-103","status":"PASSED","actor":{"name":"Ada.Lovelace"},"synced":"2026-09-01T11:30:00.000Z"}`,
		`{"id":"b","created":"2026-08-31T00:00:00.000Z","type":"AUTH","name":"Login Failed","action":"AUTHENTICATION-240","status":"FAILED","actor":{"name":"grace hopper"},"attributes":{"errors":"7","scope":["x y","z"]}}`,
		`{"id":"c","created":"2026-09-01T10:59:59.999Z","type":"APPROVAL REQUEST","name":"Request","status":"STARTED","objects":["ACCESS","ITEM"],"attributes":{"errors":"12","note":null}}`,
		`{"id":"d","created":"2026-09-01T11:00:00.000Z","type":"SSO","name":"Sign On: Payroll","ipAddress":"10.0.0.7","attributes":{"errors":70,"path":"a/b[1]"}}`,
	} {
		h.AddEvent([]byte(raw), time.Time{})
	}
	return h
}

func idsOf(t *testing.T, h *tenant.Tenant, body string) string {
	t.Helper()
	got := do(t, h, http.MethodPost, "/search/v1?count=true", login(t, h, "id"), body)
	list := ids(t, got)
	if n := strconv.Itoa(len(list)); got.Header.Get("X-Total-Count") != n {
		t.Errorf("X-Total-Count %q, want %s", got.Header.Get("X-Total-Count"), n)
	}
	return fmt.Sprintf("%s", list)
}

// The query-string language, as SailPoint's help documents it.
func TestQueryString(t *testing.T) {
	for name, c := range map[string]struct{ query, want string }{
		"unescaped_range":         {`created:[2026-08-31T00:00:00.000Z TO *]`, "[b c d]"},
		"escaped_range":           {`created:[2026\-08\-31T00\:00\:00\.000Z TO *]`, "[b c d]"},
		"quoted_range":            {`created:["2026-08-31T00:00:00.000Z" TO "2026-09-01T10:59:59.999Z"]`, "[b c]"},
		"offset":                  {`created:[2026-08-31T02:00:00.000+02:00 TO *]`, "[b c d]"},
		"exclusive_range":         {`created:{2026-08-31T00:00:00.000Z TO 2026-09-01T11:00:00.000Z}`, "[c]"},
		"mixed_range":             {`created:[2026-08-31T00:00:00.000Z TO 2026-09-01T11:00:00.000Z}`, "[b c]"},
		"open_range":              {`created:[* TO *]`, "[a b c d]"},
		"math":                    {`created:[now-1h TO now]`, "[d]"},
		"math_rounded_down":       {`created:[now-1d/d TO now]`, "[b c d]"},
		"math_upper_rounded_up":   {`created:[* TO now-3d/d]`, "[a]"},
		"math_lower_rounded_up":   {`created:{now-1h/h TO *]`, "[]"},
		"math_month":              {`created:[now/M TO now]`, "[c d]"},
		"math_week":               {`created:[now/w TO now]`, "[b c d]"},
		"math_of_a_date":          {`created:[2026-08-01||+1M TO *]`, "[c d]"},
		"math_twice":              {`created:[now-1d-1h TO now]`, "[c d]"},
		"comparison":              {`created:>=2026-09-01T11\:00\:00.000Z`, "[d]"},
		"comparison_math":         {`created:<now-1d/d`, "[a]"},
		"day":                     {`created:2026-09-01`, "[c d]"},
		"upper_day_is_whole":      {`created:[* TO 2026-08-31]`, "[a b]"},
		"lower_day_is_left_out":   {`created:{2026-08-31 TO *]`, "[c d]"},
		"synced":                  {`synced:[now-1h TO now]`, "[a]"},
		"without_field":           {`lovelace`, "[a]"},
		"two_words_are_or":        {`lovelace payroll`, "[a d]"},
		"phrase":                  {`"login failed"`, "[b]"},
		"phrase_of_a_field":       {`name:"Login Failed"`, "[b]"},
		"words_of_a_field":        {`name:Login`, "[a b]"},
		"case":                    {`type:auth`, "[a b]"},
		"exact":                   {`type.exact:auth`, "[]"},
		"exact_hit":               {`type.exact:"APPROVAL REQUEST"`, "[c]"},
		"hyphen":                  {`action:AUTHENTICATION-103`, "[a]"},
		"inner_field":             {`actor.name:"ada.lovelace"`, "[a]"},
		"array":                   {`objects:ITEM`, "[c]"},
		"attribute":               {`attributes.errors:7`, "[b]"},
		"array_attribute":         {`attributes.scope:z`, "[b]"},
		"and":                     {`type:AUTH AND status:FAILED`, "[b]"},
		"and_symbols":             {`type:AUTH && !status:FAILED`, "[a]"},
		"or":                      {`type:SSO OR status:FAILED`, "[b d]"},
		"and_binds_more":          {`type:SSO OR type:AUTH AND status:PASSED`, "[a d]"},
		"group":                   {`(type:SSO OR type:AUTH) AND status:PASSED`, "[a]"},
		"field_group":             {`type:(SSO OR AUTH)`, "[a b d]"},
		"field_group_or":          {`type:(SSO "APPROVAL REQUEST")`, "[c d]"},
		"not":                     {`NOT type:AUTH`, "[c d]"},
		"and_not":                 {`type:AUTH AND NOT actor.name:ada*`, "[b]"},
		"or_not":                  {`type:AUTH NOT status:FAILED`, "[a]"},
		"minus":                   {`type:AUTH -status:FAILED`, "[a]"},
		"plus":                    {`+type:AUTH status:FAILED`, "[a b]"},
		"wildcard_end":            {`action:AUTHENTICATION*`, "[a b]"},
		"wildcard_inside":         {`actor.name:gr?ce`, "[b]"},
		"wildcard_any_field":      {`payr*`, "[d]"},
		"wildcard_slash":          {`attributes.path:a*`, "[d]"},
		"escaped_star":            {`name:Login\*`, "[a b]"},
		"has_field":               {`ipAddress:*`, "[d]"},
		"exists":                  {`_exists_:attributes.scope`, "[b]"},
		"null_does_not_exist":     {`_exists_:attributes.note`, "[]"},
		"boost":                   {`type:SSO^2 OR id:a`, "[a d]"},
		"number_range":            {`attributes.errors:[10 TO 100]`, "[c d]"},
		"text_range":              {`id:{a TO c]`, "[b c]"},
		"no_such_field":           {`nothing:here`, "[]"},
		"everything":              {`*`, "[a b c d]"},
		"empty":                   {``, "[a b c d]"},
		"time_and_type":           {`created:[now-1h TO now] AND type:AUTH`, "[]"},
		"time_or_type":            {`created:[now-1h TO now] OR type:AUTH`, "[a b d]"},
		"not_time":                {`NOT created:[now-1h TO now]`, "[a b c]"},
		"lower_case_or_is_a_word": {`type:SSO or`, "[d]"},
	} {
		t.Run(name, func(t *testing.T) {
			quoted, err := json.Marshal(c.query)
			if err != nil {
				t.Fatal(err)
			}
			h := logins()
			if got := idsOf(t, h, `{"indices":["events"],"query":{"query":`+string(quoted)+`},"sort":["created"]}`); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			dsl := `{"queryType":"DSL","queryDsl":{"bool":{"filter":[{"query_string":{"query":` + string(quoted) + `}}]}},"sort":["id"]}`
			if got := idsOf(t, h, dsl); got != c.want {
				t.Errorf("as query_string: got %s, want %s", got, c.want)
			}
		})
	}
}

func TestOtherQueries(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"all_indices":       {`{"sort":["id"]}`, "[a b c d]"},
		"star":              {`{"indices":["*"],"sort":["id"]}`, "[a b c d]"},
		"another_index":     {`{"indices":["identities"],"query":{"query":"*"}}`, "[]"},
		"two_indices":       {`{"indices":["identities","events"],"sort":["-id"]}`, "[d c b a]"},
		"fields":            {`{"query":{"query":"auth","fields":"name,type"},"sort":["id"]}`, "[a b]"},
		"time_zone":         {`{"query":{"query":"created:[2026-08-30 TO *]","timeZone":"America/Chicago"},"sort":["id"]}`, "[b c d]"},
		"zone_of_a_day":     {`{"query":{"query":"created:2026-08-30","timeZone":"America/Chicago"},"sort":["id"]}`, "[b]"},
		"text":              {`{"queryType":"TEXT","textQuery":{"terms":["login","failed"],"fields":["name"]}}`, "[b]"},
		"text_any":          {`{"queryType":"TEXT","textQuery":{"terms":["failed","payroll"],"fields":["name","status"],"matchAny":true},"sort":["id"]}`, "[b d]"},
		"text_contains":     {`{"queryType":"TEXT","textQuery":{"terms":["ayro"],"fields":["name"],"contains":true}}`, "[d]"},
		"typeahead":         {`{"queryType":"TYPEAHEAD","typeAheadQuery":{"query":"login pa","field":"name"}}`, "[a]"},
		"filter_range_math": {`{"filters":{"created":{"type":"RANGE","range":{"lower":{"value":"now-1h","inclusive":true}}}}}`, "[d]"},
		"filter_excluded":   {`{"filters":{"created":{"type":"RANGE","exclude":true,"range":{"lower":{"value":"now-1h","inclusive":true}}}},"sort":["id"]}`, "[a b c]"},
		"filter_synced":     {`{"filters":{"synced":{"type":"RANGE","range":{"upper":{"value":"now"}}}}}`, "[a]"},
		"filter_exists":     {`{"filters":{"ipAddress":{"type":"EXISTS"}}}`, "[d]"},
		"filter_lacks":      {`{"filters":{"ipAddress":{"type":"EXISTS","exclude":true}},"sort":["id"]}`, "[a b c]"},
		"dsl_should":        {`{"queryType":"DSL","queryDsl":{"bool":{"should":[{"term":{"type":"SSO"}},{"term":{"status":{"value":"FAILED"}}}]}},"sort":["id"]}`, "[b d]"},
		"dsl_should_weighs": {`{"queryType":"DSL","queryDsl":{"bool":{"must":{"match_all":{}},"should":[{"term":{"type":"SSO"}}]}},"sort":["id"]}`, "[a b c d]"},
		"dsl_two_of":        {`{"queryType":"DSL","queryDsl":{"bool":{"should":[{"term":{"type":"AUTH"}},{"term":{"status":"FAILED"}},{"term":{"id":"b"}}],"minimum_should_match":2}}}`, "[b]"},
		"dsl_not_range":     {`{"queryType":"DSL","queryDsl":{"bool":{"must_not":[{"range":{"created":{"gte":"now-1h"}}}]}},"sort":["id"]}`, "[a b c]"},
		"dsl_match":         {`{"queryType":"DSL","queryDsl":{"match":{"name":"passed failed"}},"sort":["id"]}`, "[a b]"},
		"dsl_match_and":     {`{"queryType":"DSL","queryDsl":{"match":{"name":{"query":"failed login","operator":"and"}}}}`, "[b]"},
		"dsl_phrase":        {`{"queryType":"DSL","queryDsl":{"match_phrase":{"name":"failed login"}}}`, "[]"},
		"dsl_prefix":        {`{"queryType":"DSL","queryDsl":{"prefix":{"action":"AUTHENTICATION-2"}}}`, "[b]"},
		"dsl_wildcard":      {`{"queryType":"DSL","queryDsl":{"wildcard":{"attributes.path":"*[?]"}}}`, "[d]"},
		"dsl_ids":           {`{"queryType":"DSL","queryDsl":{"ids":{"values":["c","x"]}}}`, "[c]"},
		"dsl_none":          {`{"queryType":"DSL","queryDsl":{"match_none":{}}}`, "[]"},
		"dsl_constant":      {`{"queryType":"DSL","queryDsl":{"constant_score":{"filter":{"terms":{"attributes.errors":[70]}}}}}`, "[d]"},
		"dsl_other_range":   {`{"queryType":"DSL","queryDsl":{"range":{"attributes.errors":{"gt":7,"lte":"70"}}},"sort":["id"]}`, "[c d]"},
		"dsl_range_zone":    {`{"queryType":"DSL","queryDsl":{"range":{"created":{"gte":"2026-09-01T13:00:00","time_zone":"+02:00"}}}}`, "[d]"},
		"sort_by_name":      {`{"sort":["-name"]}`, "[d c a b]"},
		"sort_missing_last": {`{"sort":["-action","id"]}`, "[b a c d]"},
		"sort_inner":        {`{"sort":["+actor.name","id"]}`, "[a b c d]"},
		"sort_synced":       {`{"sort":["synced","-id"]}`, "[a d c b]"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := idsOf(t, logins(), c.body); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Paging by any field, upwards and downwards.
func TestSearchAfterAnyField(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"name":       {`{"sort":["name"],"searchAfter":["Login Failed"]}`, "[a c d]"},
		"name_down":  {`{"sort":["-name"],"searchAfter":["Request"]}`, "[a b]"},
		"type_id":    {`{"sort":["type","id"],"searchAfter":["AUTH","a"]}`, "[b d]"},
		"synced":     {`{"sort":["synced","id"],"searchAfter":["2026-09-01T11:30:00.000Z","a"]}`, "[b c d]"},
		"no_missing": {`{"sort":["action"],"searchAfter":["AUTHENTICATION-103"]}`, "[b c d]"},
	} {
		t.Run(name, func(t *testing.T) {
			h := logins()
			if got := fmt.Sprintf("%s", ids(t, do(t, h, http.MethodPost, "/search/v1", login(t, h, "id"), c.body))); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestResultFilter(t *testing.T) {
	for name, c := range map[string]struct{ filter, want string }{
		"includes":         {`{"includes":["id","actor.name"]}`, `[{"id":"b","actor":{"name":"grace hopper"}}]`},
		"includes_object":  {`{"includes":["attributes"]}`, `[{"attributes":{"errors":"7","scope":["x y","z"]}}]`},
		"includes_pattern": {`{"includes":["attr*.e*","st*"]}`, `[{"status":"FAILED","attributes":{"errors":"7"}}]`},
		"excludes":         {`{"excludes":["attributes.scope","name","actor","action","status","created"]}`, `[{"id":"b","type":"AUTH","attributes":{"errors":"7"}}]`},
		"both":             {`{"includes":["attributes","id"],"excludes":["attributes.errors"]}`, `[{"id":"b","attributes":{"scope":["x y","z"]}}]`},
		"nothing":          {`{"includes":["nothing"]}`, `[{}]`},
		"empty":            {`{}`, `[{"id":"b","created":"2026-08-31T00:00:00.000Z","type":"AUTH","name":"Login Failed","action":"AUTHENTICATION-240","status":"FAILED","actor":{"name":"grace hopper"},"attributes":{"errors":"7","scope":["x y","z"]}}]`},
	} {
		t.Run(name, func(t *testing.T) {
			h := logins()
			got := do(t, h, http.MethodPost, "/search/v1", login(t, h, "id"), `{"query":{"query":"id:b"},"queryResultFilter":`+c.filter+`}`)
			if diff := cmp.Diff(c.want, got.Body); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDocument(t *testing.T) {
	h := logins()
	token := login(t, h, "id")
	if got := do(t, h, http.MethodGet, "/search/v1/events/d", token, ""); got.Status != http.StatusOK || len(ids(t, answer{200, nil, "[" + got.Body + "]"})) != 1 {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	for _, path := range []string{"/search/v1/events/x", "/v2025/search/identities/d"} {
		wantError(t, do(t, h, http.MethodGet, path, token, ""), http.StatusNotFound, "404 Not found", "document")
	}
}
