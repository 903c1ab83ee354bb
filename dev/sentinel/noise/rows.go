package noise

import (
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

func stamp(at time.Time) string { return at.Format("2006-01-02T15:04:05.000Z") }

// row is an event as SailPointISC_Events_CL holds it.
func (e Event) row(id string) kqltest.Row {
	attributes := map[string]any{}
	for name, v := range map[string]string{
		"sourceName": e.Source, "accessItemName": e.Item, "attributeValue": e.Value, "previousValue": e.Before, "userId": e.UserID, "info": e.Info,
		"preventativeSODResultsJSON": e.Sod, "scope": e.Scope, "capability": e.Capability, "interface": e.Interface, "errors": e.Error, "comment": e.Comment, "accessItemType": e.ItemType,
	} {
		if v != "" {
			attributes[name] = v
		}
	}
	row := kqltest.Row{"TimeGenerated": stamp(e.At), "Created": stamp(e.At), "$ingested": stamp(e.Arrived), "Id": id, "Org": "acme", "Pod": "pod01", "SourceSystem": "RestAPI", "DocType": "event"}
	for name, v := range map[string]string{
		"EventType": e.Type, "Action": e.Action, "TechnicalName": e.Technical, "Name": e.Technical, "Operation": e.Operation, "Status": e.Status,
		"ActorName": e.Actor, "TargetName": e.Target, "IpAddress": e.IP, "TrackingNumber": e.Tracking,
	} {
		if v != "" {
			row[name] = v
		}
	}
	if len(attributes) > 0 {
		row["Attributes"] = attributes
	}
	return row
}

// row is an audit event as SailPointIIQ_Audit_CL holds it.
func (a Audit) row(id string) kqltest.Row {
	row := kqltest.Row{"TimeGenerated": stamp(a.At), "eventTime_t": stamp(a.At), "$ingested": stamp(a.Arrived), "id_s": id}
	for name, v := range map[string]string{
		"action_s": a.Action, "source_s": a.Source, "target_s": a.Target, "application_s": a.Application, "accountName_s": a.Account,
		"attributeName_s": a.Attribute, "attributeValue_s": a.Value, "string1_s": a.String1, "clientHost_s": a.Host, "interface_s": a.Interface,
	} {
		if v != "" {
			row[name] = v
		}
	}
	return row
}

// Each gives every row of the month in the order in which days follow each other, with its table.
func (t *Tenant) Each(add func(table string, row kqltest.Row)) {
	for day := range t.Days {
		for i, e := range t.Rows(day) {
			add(kqltest.ISCTable, e.row(fmt.Sprintf("%04d%08d", day, i)))
		}
		for i, a := range t.Audits(day) {
			add(kqltest.IIQTable, a.row(fmt.Sprintf("iiq%04d%08d", day, i)))
		}
		t.health(day, func(row kqltest.Row) { add(kqltest.HealthTable, row) })
		t.triggers(day, func(row kqltest.Row) { add(kqltest.TriggersTable, row) })
		t.indicators(day, func(row kqltest.Row) { add("ThreatIntelIndicators", row) })
	}
}

// rogue is the address that threat intelligence names.
const rogue = "45.83.95.9"

// indicators are those of a feed that repeats what stands each day, and withdraws what does not.
func (t *Tenant) indicators(day int, add func(kqltest.Row)) {
	for k, address := range []string{"45.83.96.1", "45.83.97.1", rogue, "2001:db8:ffff::1"} {
		stands := address != rogue || day >= 23 && day < 32
		if !stands && day != 32 {
			continue
		}
		at := t.time(day, 2)
		add(kqltest.Row{
			"TimeGenerated": stamp(at), "$ingested": stamp(at.Add(5 * time.Minute)), "Id": fmt.Sprintf("indicator--%d", k), "ObservableKey": "ipv4-addr:value", "ObservableValue": address,
			"IsActive": stands, "IsDeleted": false, "Revoked": !stands, "ValidUntil": stamp(at.AddDate(0, 0, 5)), "Confidence": 70, "SourceSystem": "Feed",
		})
	}
}

// health is the connector's own report of a run every twenty minutes.
func (t *Tenant) health(day int, add func(kqltest.Row)) {
	r := t.dice(day, "health")
	for m := 0; m < 24*60; m += 20 {
		at := t.time(day, float64(m)/60)
		if day == 22 && m >= 60 && m < 7*60 || day == 12 && m == 600 { // down; a restart
			continue
		}
		for _, stream := range []string{"SailPointIDN_Events", "SailPointIDN_Triggers"} {
			state, waiting, message, lag := "drained", 0.0, "", 120+float64(r.IntN(240))
			switch {
			case r.IntN(400) == 0:
				state, message = "failed", "the service answered 503"
			case r.IntN(300) == 0:
				state = "budget"
			case day == 1 && m < 180: // the first days are fetched
				state, lag = "budget", float64(90000-400*m)
			}
			unexplained := 0.0
			if stream == "SailPointIDN_Events" {
				unexplained = unexplainedAt(day, m)
				if day == 27 && m >= 600 && m < 1200 { // a story: records are refused
					waiting = 2
				}
				if day == 31 && m >= 360 && m < 540 { // a story: a backlog
					state, lag = "budget", 20000
				}
			}
			row := kqltest.Row{
				"TimeGenerated": stamp(at), "ended_t": stamp(at), "$ingested": stamp(at.Add(2 * time.Minute)), "stream_s": stream, "state_s": state, "org_s": "acme",
				"run_id_g": fmt.Sprintf("%08d-0000-4000-a000-%012d", day, m), "fetched_d": float64(r.IntN(400)), "sent_d": float64(r.IntN(400)),
				"quarantine_waiting_d": waiting, "lag_seconds_d": lag, "seconds_d": 2.0, "windows_checked_d": 1.0, "mismatches_d": 0.0, "repaired_d": 0.0, "unexplained_d": unexplained,
			}
			if message != "" {
				row["error_s"] = message
			}
			add(row)
		}
	}
}

// unexplainedAt is a story: a window in which records are missing.
func unexplainedAt(day, minute int) float64 {
	if day == 34 && minute >= 480 && minute < 900 {
		return 3
	}
	return 0
}

// triggers are the reports of aggregations.
func (t *Tenant) triggers(day int, add func(kqltest.Row)) {
	for k, source := range sources {
		at := t.time(day, 1.4+float64(k)*0.3)
		add(kqltest.Row{
			"TimeGenerated": stamp(at), "created_t": stamp(at), "completed_t": stamp(at.Add(time.Minute)), "$ingested": stamp(at.Add(3 * time.Minute)),
			"id_s": fmt.Sprintf("trigger-%d-%d", day, k), "triggerId_s": "idn:aggregation-accounts-collected", "Body_source_name_s": source, "Body_status_s": "Success",
		})
	}
}
