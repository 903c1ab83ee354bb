package readback

import (
	"context"
	"time"
)

// What the tests look at from outside.
var (
	Normal  = normal
	PerList = perList
	Decode  = decode
)

// Count is a query for the rows of acme.
func (c *Client) Count(ctx context.Context, table string, from, to time.Time, window time.Duration) (map[time.Time]counted, error) {
	return c.count(ctx, Table{Name: table, Time: "created", ID: "id"}, []string{"acme"}, from, to, window, nil)
}
