package legacy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// These constants say where Microsoft's function for Okta stored its places.
const (
	oktaTable     = "OKTA"
	oktaPartition = "part1"
	// mostPages bounds how many pages of 1,000 rows are read: there is one row for each token that the
	// function has had.
	mostPages = 20
)

// Places returns the places in the log that the function has stored, the latest first; none if
// the account does not have the table. The key of each row is an API token: it is not requested, and no error
// contains it.
func (a *Account) Places(ctx context.Context) (places []source.Place, err error) {
	object := fmt.Sprintf("table %s at %s", oktaTable, a.host)
	filter, columns := "PartitionKey eq '"+oktaPartition+"'", "uri,Timestamp"
	pages := a.service.NewClient(oktaTable).NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Select: &columns})
	var after *string // the key of a row, which the next request holds
	for n := 0; pages.More(); n++ {
		if n == mostPages {
			return nil, fmt.Errorf("read %s: it has no end, so it is not that of the old function: check the address (%s), %s", object, setting, instead)
		}
		page, err := pages.NextPage(ctx)
		switch {
		case absent(err):
			return nil, nil
		case err != nil:
			return nil, masked(a.fail(ctx, object, err), after)
		}
		if after = page.NextRowKey; after != nil && *after == "" {
			after = nil
		}
		for _, entity := range page.Entities {
			place, err := readPlace(entity)
			if err != nil {
				return nil, fmt.Errorf("read %s: a row %w, %s", object, err, instead)
			}
			if place.Link != "" {
				places = append(places, place)
			}
		}
	}
	slices.SortStableFunc(places, func(a, b source.Place) int { return b.Stored.Compare(a.Stored) })
	return places, nil
}

// masked is an error without the key of a row that its request had, if any: an answer may repeat it.
func masked(err error, key *string) error {
	if key == nil {
		return err
	}
	if text := secret.Mask(err.Error(), secret.New(*key)); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// readPlace reads a row. A row without a link says nothing.
func readPlace(entity []byte) (source.Place, error) {
	var row struct {
		URI    any       `json:"uri"`
		Stored time.Time `json:"Timestamp"`
	}
	if err := json.Unmarshal(entity, &row); err != nil {
		return source.Place{}, errors.New("can't be read") // the error may quote the row
	}
	link, isText := row.URI.(string)
	if !isText && row.URI != nil {
		return source.Place{}, errors.New("has no text in uri")
	}
	return source.Place{Link: link, Stored: row.Stored.UTC()}, nil
}
