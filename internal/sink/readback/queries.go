package readback

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	// perQuery is how much event time one query counts, so that each ends in time.
	perQuery = 24 * time.Hour
	// perList is how many ids one query lists at the most: the API cuts a result at
	// 500,000 rows.
	perList = 200_000
	// slack is how far TimeGenerated may be from where it is expected: behind the
	// event, and up to now.
	slack = 24 * time.Hour
)

// rows are the records of a table with an event time in [from, to).
func rows(stream string, from, to time.Time) string {
	return stream + "_CL\n" +
		"| extend Created = column_ifexists('created_t', datetime(null)), IdG = column_ifexists('id_g', ''), IdS = column_ifexists('id_s', '')\n" +
		"| where Created >= datetime(" + stamp(from) + ") and Created < datetime(" + stamp(to) + ")\n"
}

// CountQuery is the KQL that counts the different records of a stream by window.
// Records without an id count as they come.
func CountQuery(stream string, from, to time.Time, window time.Duration) string {
	return rows(stream, from, to) +
		fmt.Sprintf("| summarize Rows = count() by IdG, IdS, Window = bin(Created, %ds)\n", int64(window/time.Second)) +
		"| summarize Records = sum(iff(isempty(IdG) and isempty(IdS), Rows, 1)) by Window"
}

// IDQuery is the KQL that lists the ids of a stream's records, or one of several
// parts of them.
func IDQuery(stream string, from, to time.Time, part, parts int) string {
	kql := rows(stream, from, to)
	if parts > 1 {
		kql += fmt.Sprintf("| where hash(strcat(IdG, IdS), %d) == %d\n", parts, part)
	}
	return kql + "| summarize Rows = count() by IdG, IdS"
}

// Count returns the number of different records by the start of their window.
func (c *Client) Count(ctx context.Context, stream string, from, to time.Time, window time.Duration) (map[time.Time]int64, error) {
	counts := map[time.Time]int64{}
	for begin := from; begin.Before(to); begin = begin.Add(perQuery) {
		end := begin.Add(perQuery)
		if to.Before(end) {
			end = to
		}
		got, err := c.query(ctx, CountQuery(stream, begin, end, window), from.Add(-slack), time.Now().Add(slack))
		if err != nil {
			return nil, c.explain(stream, err)
		}
		for _, row := range got {
			var at time.Time
			var n int64
			if len(row) != 2 {
				return nil, fmt.Errorf("read the answer: a row has %d columns, not 2", len(row))
			}
			if err := errors.Join(json.Unmarshal(row[0], &at), json.Unmarshal(row[1], &n)); err != nil {
				return nil, fmt.Errorf("read the answer: %w", err)
			}
			counts[at.UTC()] += n
		}
	}
	return counts, nil
}

// explain names the table that is missing.
func (c *Client) explain(stream string, err error) error {
	if errors.Is(err, ErrNoTable) {
		return fmt.Errorf("workspace %s has no table %s_CL: nothing was ever stored there, or for the first time less than a quarter of an hour ago, "+
			"or CUSTOMER_ID names another workspace: %w", c.cfg.WorkspaceID, stream, err)
	}
	return err
}

// idSet holds the ids of a window in the form of [normal], and how many rows have none.
type idSet struct {
	ids     map[string]struct{}
	without int64
}

// list returns the ids of the records in [from, to), of which there are about n.
func (c *Client) list(ctx context.Context, stream string, from, to time.Time, n int64) (idSet, error) {
	set := idSet{ids: make(map[string]struct{}, n)}
	parts := int((n + perList - 1) / perList)
	for part := range max(1, parts) {
		got, err := c.query(ctx, IDQuery(stream, from, to, part, parts), from.Add(-slack), time.Now().Add(slack))
		if err != nil {
			return idSet{}, c.explain(stream, err)
		}
		for _, row := range got {
			var guid, text string
			var n int64
			if len(row) != 3 {
				return idSet{}, fmt.Errorf("read the answer: a row has %d columns, not 3", len(row))
			}
			if err := errors.Join(json.Unmarshal(row[0], &guid), json.Unmarshal(row[1], &text), json.Unmarshal(row[2], &n)); err != nil {
				return idSet{}, fmt.Errorf("read the answer: %w", err)
			}
			switch {
			case guid != "":
				set.ids[normal(guid)] = struct{}{}
			case text != "":
				set.ids[normal(text)] = struct{}{}
			default:
				set.without += n
			}
		}
	}
	return set, nil
}

// normal is the form in which an id of the source and one of the workspace are the
// same: the service writes a GUID with dashes, however it came.
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
