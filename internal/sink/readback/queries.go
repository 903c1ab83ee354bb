package readback

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// perQuery is how much event time one query counts, so that no query times out.
	perQuery = 24 * time.Hour
	// perList is how many ids one query lists at most: the API truncates a result at
	// 500,000 rows.
	perList = 200_000
	// slack is how far TimeGenerated may be outside the expected range, which is from
	// the event until now.
	slack = 24 * time.Hour
)

// Table is a table to ask, and the members of its records that hold their time and their id.
type Table struct {
	Name     string // without "_CL"
	Time, ID string
}

// rows is the KQL for the records of a table with an event time in [from, to).
func rows(table Table, from, to time.Time) string {
	return table.Name + "_CL\n" +
		"| extend IdG = column_ifexists('" + table.ID + "_g', ''), IdS = column_ifexists('" + table.ID + "_s', ''), When = " + table.Time + "_t, Org = column_ifexists('org_s', '')\n" +
		"| where When >= datetime(" + stamp(from) + ") and When < datetime(" + stamp(to) + ")\n"
}

// may is the condition that a row may belong to one of these orgs.
func may(orgs []string) string { return "isempty(Org) or " + among(orgs) }

// among is the condition that a row names one of these orgs.
func among(orgs []string) string {
	if len(orgs) == 0 {
		return "false"
	}
	return "Org in ('" + strings.Join(orgs, "', '") + "')"
}

// countQuery is the KQL that counts, by window, the distinct ids of rows that name one of
// these orgs, and the rows that may belong to them. An id counts once, whatever its spelling
// and however often it arrived: duplicates must not offset missing rows. Rows without an id
// don't count, because they can't be distinguished.
func countQuery(table Table, orgs []string, from, to time.Time, window time.Duration) string {
	return rows(table, from, to) +
		"| extend Id = tolower(replace_string(strcat(IdG, IdS), '-', ''))\n" +
		"| where isnotempty(Id) and (" + may(orgs) + ")\n" +
		fmt.Sprintf("| summarize Own = countif(%s), Rows = count(), Window = min(bin(When, %ds)) by Id\n", among(orgs), int64(window/time.Second)) +
		"| summarize Own = countif(Own > 0), Rows = sum(Rows) by Window"
}

// idQuery is the KQL that lists the ids of a table's rows, or one of several parts of
// them, except rows that name another org. Rows without an id are listed by their time.
// If all is set, every row is listed.
func idQuery(table Table, orgs []string, all bool, from, to time.Time, part, parts int) string {
	kql := rows(table, from, to)
	if !all {
		kql += "| where " + may(orgs) + "\n"
	}
	if parts > 1 {
		kql += fmt.Sprintf("| where hash(strcat(IdG, IdS), %d) == %d\n", parts, part)
	}
	return kql + "| summarize Rows = count() by IdG, IdS, At = iff(isempty(IdG) and isempty(IdS), When, datetime(null))"
}

// counted is what a window holds.
type counted struct {
	own  int64 // distinct ids of rows that provably belong to this tenant
	rows int64 // rows that may belong to it, with duplicates
}

// count returns what each window holds, by the start of the window. progress, if not nil, is called
// with how far it is.
func (c *Client) count(ctx context.Context, table Table, orgs []string, from, to time.Time, window time.Duration, progress func(time.Time)) (map[time.Time]counted, error) {
	counts := map[time.Time]counted{}
	for begin := from; begin.Before(to); begin = begin.Add(perQuery) {
		end := begin.Add(perQuery)
		if to.Before(end) {
			end = to
		}
		got, err := c.query(ctx, table.Name, countQuery(table, orgs, begin, end, window), from.Add(-slack), time.Now().Add(slack))
		if err != nil {
			return nil, err
		}
		for _, row := range got {
			var at time.Time
			var n counted
			if err := row.read(&at, &n.own, &n.rows); err != nil {
				return nil, err
			}
			sum := counts[at.UTC()]
			counts[at.UTC()] = counted{sum.own + n.own, sum.rows + n.rows}
		}
		if progress != nil {
			progress(end)
		}
	}
	return counts, nil
}

// MayAsk sends a minimal query about a table, to find out whether the workspace answers. The
// error wraps [ErrNoTable] if there is no such table.
func (c *Client) MayAsk(ctx context.Context, table Table) error {
	now := time.Now().UTC()
	_, err := c.count(ctx, table, nil, now.Add(-time.Hour).Truncate(time.Hour), now.Truncate(time.Hour), time.Hour, nil)
	return err
}

// idSet holds the ids of a window in the form of [normal], and the number of rows without
// an id by their time.
type idSet struct {
	ids     map[string]struct{}
	without map[time.Time]int64
}

// list returns the ids of the rows in [from, to) that may belong to the orgs. n is the
// approximate number of rows.
func (c *Client) list(ctx context.Context, table Table, orgs []string, all bool, from, to time.Time, n int64) (idSet, error) {
	set := idSet{map[string]struct{}{}, map[time.Time]int64{}}
	parts := int((n + perList - 1) / perList)
	for part := range max(1, parts) {
		got, err := c.query(ctx, table.Name, idQuery(table, orgs, all, from, to, part, parts), from.Add(-slack), time.Now().Add(slack))
		if err != nil {
			return idSet{}, err
		}
		for _, row := range got {
			var guid, text string
			var at *time.Time
			var n int64
			if err := row.read(&guid, &text, &at, &n); err != nil {
				return idSet{}, err
			}
			switch {
			case guid != "":
				set.ids[normal(guid)] = struct{}{}
			case text != "":
				set.ids[normal(text)] = struct{}{}
			case at != nil:
				set.without[moment(*at)] += n
			}
		}
	}
	return set, nil
}

// moment returns a time with the precision of an event time.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// row is a row of a result.
type row []jsontext.Value

// read reads the columns of the row.
func (r row) read(columns ...any) error {
	if len(r) != len(columns) {
		return fmt.Errorf("read the answer: a row has %d columns, not %d", len(r), len(columns))
	}
	for i, column := range columns {
		if err := json.Unmarshal(r[i], column); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
	}
	return nil
}

// normal returns an id in the form in which ids of the source and of the workspace are
// comparable: the service writes every GUID with dashes, however it was sent.
func normal(id string) string {
	bare := id
	if len(id) == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' {
		bare = id[:8] + id[9:13] + id[14:18] + id[19:23] + id[24:]
	}
	if len(bare) != 32 {
		return id
	}
	if _, err := hex.DecodeString(bare); err != nil {
		return id
	}
	return strings.ToLower(bare)
}
