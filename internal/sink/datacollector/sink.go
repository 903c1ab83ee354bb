package datacollector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/azmonitor"
	"github.com/idn-sentinel/idn-sentinel/internal/table"
)

const (
	// MaxBody is the maximum size of a body, in bytes: Microsoft's page about the
	// API says 30 MB (a newer one 32).
	MaxBody = 30_000_000

	// apiVersion is the API's only version.
	apiVersion = "2016-04-01"

	defaultBatchBytes = 4 << 20
	defaultTimeField  = "created"
	defaultTimeout    = 2 * time.Minute
)

// Config is where to write, and with which key.
type Config struct {
	// WorkspaceID is the workspace's id, a GUID (setting CUSTOMER_ID).
	WorkspaceID string
	// Key is the primary or secondary key of the workspace in base64 (setting SHARED_KEY).
	Key secret.Keeper
	// Secondary is the other one, which is tried where Key is refused (setting
	// SHARED_KEY_SECONDARY); nil or empty for none.
	Secondary secret.Keeper
	// URL is the workspace's address without a path (setting logAnalyticsUri), checked
	// by package address; nil means the address in the public cloud.
	URL *url.URL
	// BatchBytes is the target size of a batch, at most MaxBody; 0 means 4 MiB.
	BatchBytes int
	// TimeFields maps a stream to the top-level property that becomes TimeGenerated.
	// A missing stream uses "created"; "" means the time of ingestion.
	TimeFields map[string]string
	// Open names, by stream, an object whose members must not all become columns.
	Open map[string]*table.Open
	// HTTP is the client to use; nil means one of package transport.
	HTTP *http.Client
	// Timeout bounds one post; 0 means 2 minutes.
	Timeout time.Duration
}

// Sink posts to one workspace.
type Sink struct {
	id         string
	keys       *keys
	url        string
	host       string
	http       *http.Client
	limits     pipeline.Limits
	rules      *table.Rules
	timeFields map[string]string
	open       map[string]*table.Folded
	timeout    time.Duration
	doubts     *doubts
	early      *azmonitor.Early
	notices    *notices
}

var (
	_ pipeline.Sink    = (*Sink)(nil)
	_ pipeline.Noticer = (*Sink)(nil)
)

// logType is a valid Log-Type: letters, digits and "_", a letter first, at most 100 characters.
var logType = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)

// New returns the sink of a workspace. It sends nothing; [Sink.Check] does.
func New(cfg Config) (*Sink, error) {
	keys, err := newKeys(cfg.Key, cfg.Secondary)
	if err != nil {
		return nil, err
	}
	where := cfg.URL
	if where == nil {
		where = address.OfWorkspace(cfg.WorkspaceID)
	}
	batch := cfg.BatchBytes
	if batch <= 0 {
		batch = defaultBatchBytes
	}
	rules := table.Classic()
	s := &Sink{
		id:   cfg.WorkspaceID,
		keys: keys,
		url:  where.JoinPath("/api/logs").String() + "?api-version=" + apiVersion,
		host: where.Host,
		http: azmonitor.Client(cfg.HTTP),
		limits: pipeline.Limits{
			Parallel: pipeline.Parallel,
			// The pipeline counts a comma for each record; the array has one comma
			// fewer and two brackets.
			BatchBytes:  min(batch, MaxBody-1),
			RecordBytes: MaxBody - len("[]"),
		},
		rules:      rules,
		timeFields: cfg.TimeFields,
		open:       folds(rules, cfg.Open),
		timeout:    cfg.Timeout,
		doubts:     newDoubts(),
		early:      &azmonitor.Early{Limit: MaxBody},
		notices:    new(notices),
	}
	if s.timeout <= 0 {
		s.timeout = defaultTimeout
	}
	return s, nil
}

// Limits implements [pipeline.Sink].
func (s *Sink) Limits() pipeline.Limits { return s.limits }

// Columns returns the Fit of a sink, for a preview. Config.Open has open.
func Columns(open map[string]*table.Open) func(string, jsontext.Value) (jsontext.Value, []string, error) {
	rules := table.Classic()
	return (&Sink{rules: rules, open: folds(rules, open)}).Fit
}

// folds are the rules for the streams with such members.
func folds(rules *table.Rules, open map[string]*table.Open) map[string]*table.Folded {
	all := make(map[string]*table.Folded, len(open))
	for stream, one := range open {
		all[stream] = &table.Folded{Rules: rules, Open: one}
	}
	return all
}

// Fit implements [pipeline.Sink] with the column rules of [table.Classic], for every table. What
// [table.Open] moves is moved when the row is sent, because that changes no value.
func (s *Sink) Fit(stream string, raw jsontext.Value) (row jsontext.Value, changes []string, err error) {
	folded := s.open[stream]
	if folded == nil {
		return s.rules.Conform(raw)
	}
	if row, changes, err = s.rules.Conform(folded.Open.Fold(raw)); len(changes) == 0 {
		row = raw
	}
	return row, changes, err
}

// FitsOutline implements [pipeline.Outlined].
func (s *Sink) FitsOutline(stream string, o jsonwalk.Outline) bool {
	if folded := s.open[stream]; folded != nil {
		return folded.FitsOutline(o)
	}
	return s.rules.FitsOutline(o)
}

// folded is a batch as it is sent.
func (s *Sink) folded(stream string, batch []pipeline.Record) []pipeline.Record {
	folded := s.open[stream]
	if folded == nil {
		return batch
	}
	sent := slices.Clone(batch)
	for i := range sent {
		sent[i].Raw = folded.Open.Fold(sent[i].Raw)
	}
	return sent
}

// Write implements [pipeline.Sink]: it posts the batch once.
func (s *Sink) Write(ctx context.Context, stream string, batch []pipeline.Record) error {
	if len(batch) == 0 {
		return nil
	}
	if !logType.MatchString(stream) {
		return fmt.Errorf("post to table %.100q: the name must have letters, digits and _ only, begin with a letter and be at most 100 characters long", stream)
	}
	timeField, ok := s.timeFields[stream]
	if !ok {
		timeField = defaultTimeField
	}
	what := fmt.Sprintf("post %d records to %s_CL", len(batch), stream)
	batch = s.folded(stream, batch)
	body := newArray(batch)
	if body.size > MaxBody {
		return &pipeline.Rejected{Err: fmt.Errorf("%s: %d bytes are more than the %d that the service takes", what, body.size, MaxBody)}
	}
	whole := content{body.size, body.reader}
	if pad := s.early.Size() - body.size; pad > 0 {
		whole = content{body.size + pad, func() io.Reader { return io.MultiReader(body.reader(), azmonitor.Blanks(pad)) }}
	}
	a, err := s.post(ctx, stream, timeField, whole)
	if err == nil {
		if a.Status == http.StatusOK {
			s.early.Weigh(a.Answer, whole.size)
		}
		if err = a.judge(len(batch), body.size); err == nil {
			s.doubts.noteSilent()
			s.noteKey(stream, a)
		}
	}
	var unsure *doubt
	if errors.As(err, &unsure) {
		err = s.settle(ctx, stream, timeField, batch, a)
	}
	if err == nil {
		s.early.Acknowledged(whole.size)
	}
	return azmonitor.Wrap(err, what)
}

// noteKey warns the user if the workspace takes only the secondary key.
func (s *Sink) noteKey(stream string, a *answer) {
	if a.key.slot != 0 {
		s.notices.add(stream, fmt.Sprintf("the workspace accepts %s, which is in use now, but not %s: set that to the workspace's current key", settingSecondary, settingPrimary))
	}
}
