package logsingestion

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/time/rate"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/azmonitor"
	"github.com/idn-sentinel/idn-sentinel/internal/table"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// Limits of the service, from Microsoft's page "Azure Monitor service limits",
// section "Logs Ingestion API", and from its error texts.
const (
	// MaxWire is the maximum size of a body: the service takes 1,048,576 bytes on
	// the wire, and 4 KiB are spare.
	MaxWire = 1_044_480
	// MaxRaw is the maximum size of a body before compression; the service
	// acknowledges, but loses, what exceeds 50 MiB.
	MaxRaw = 48 << 20

	apiVersion = "2023-01-01"

	// A rule takes 12,000 requests and 2 GB a minute. It is not documented whether
	// the service counts compressed bytes, so the sink counts the larger, uncompressed
	// size. A tenth is spare for other senders and for clock differences.
	requestsPerSecond = 12_000 / 60 * 0.9
	bytesPerSecond    = 2_000_000_000 / 60 * 0.9

	defaultBatchBytes = 8_000_000
	defaultTimeout    = 2 * time.Minute
)

// Config is where to write, and with which identity.
type Config struct {
	// Endpoint is the logs ingestion URI of the rule, or a data collection endpoint
	// (setting LOGS_INGESTION_ENDPOINT), checked by package address.
	Endpoint *url.URL
	// RuleID is the immutable id of the rule (setting DCR_IMMUTABLE_ID), also checked.
	RuleID string
	// Credential issues tokens for the audience of the endpoint's cloud, and Identity is whose they
	// are, for messages.
	Credential azcore.TokenCredential
	Identity   entra.Identity
	// Streams are the streams that the rule declares.
	Streams []schema.Stream
	// BatchBytes bounds the records of a batch before compression, at most MaxRaw;
	// 0 means 8 MB.
	BatchBytes int
	// HTTP is the client to use; nil means one of package transport.
	HTTP *http.Client
	// Timeout bounds one post; 0 means 2 minutes.
	Timeout time.Duration
}

// Sink posts to one data collection rule.
type Sink struct {
	ruleID   string
	identity entra.Identity
	endpoint *url.URL
	streams  map[string]stream
	tokens   *tokens
	http     *http.Client
	timeout  time.Duration
	sizes    *sizes
	early    *azmonitor.Early
	packers  sync.Pool
	requests *rate.Limiter
	bytes    *rate.Limiter
}

// stream is the address and the column rules of a stream.
type stream struct {
	url  string
	rule *table.Declared
}

var _ pipeline.Sink = (*Sink)(nil)

// New returns the sink of a rule. It sends nothing; [Sink.Check] does.
func New(cfg Config) (*Sink, error) {
	if cfg.Credential == nil {
		return nil, errors.New("logs ingestion sink: there is no credential to get tokens with")
	}
	batch := cfg.BatchBytes
	if batch <= 0 {
		batch = defaultBatchBytes
	}
	s := &Sink{
		ruleID:   cfg.RuleID,
		identity: cfg.Identity,
		endpoint: cfg.Endpoint,
		streams:  make(map[string]stream),
		tokens:   newTokens(cfg.Credential, cfg.Identity, audience(cfg.Endpoint)),
		http:     azmonitor.Client(cfg.HTTP),
		timeout:  cfg.Timeout,
		sizes:    newSizes(min(batch, MaxRaw-1)),
		early:    &azmonitor.Early{Limit: MaxWire - padSlack},
		requests: rate.NewLimiter(requestsPerSecond, 100),
		bytes:    rate.NewLimiter(bytesPerSecond, MaxRaw),
	}
	if s.timeout <= 0 {
		s.timeout = defaultTimeout
	}
	for _, declared := range cfg.Streams {
		s.addStream(declared)
	}
	return s, nil
}

// Columns returns the Fit of a sink with these streams, for a preview.
func Columns(streams []schema.Stream) func(string, jsontext.Value) (jsontext.Value, []string, error) {
	s := &Sink{endpoint: new(url.URL), streams: make(map[string]stream)}
	for _, declared := range streams {
		s.addStream(declared)
	}
	return s.Fit
}

func (s *Sink) addStream(declared schema.Stream) {
	address := s.endpoint.JoinPath("dataCollectionRules", s.ruleID, "streams", "Custom-"+declared.Name)
	rule := &table.Declared{Columns: make(map[string]table.Kind), Extra: schema.Extra, MaxValue: schema.MaxValue}
	for _, c := range declared.Columns {
		rule.Columns[c.Name] = kindOf(c.Type)
	}
	s.streams[declared.Name] = stream{url: address.String() + "?api-version=" + apiVersion, rule: rule}
}

func kindOf(t schema.Type) table.Kind {
	switch t {
	case schema.String:
		return table.Text
	case schema.DateTime:
		return table.Moment
	case schema.Real:
		return table.Number
	case schema.Bool:
		return table.Truth
	case schema.Dynamic:
	}
	return table.Any
}

// Limits implements [pipeline.Sink]. BatchBytes depends on how well past batches
// compressed, so callers should ask again.
func (s *Sink) Limits() pipeline.Limits {
	return pipeline.Limits{
		BatchBytes:  s.sizes.target(),
		Parallel:    pipeline.Parallel,
		RecordBytes: MaxRaw - len("[]"),
	}
}

// Fit implements [pipeline.Sink] with the columns that the rule declares for the table's
// stream. Write refuses a table without a stream.
func (s *Sink) Fit(name string, raw jsontext.Value) (row jsontext.Value, changes []string, err error) {
	st, ok := s.streams[name]
	if !ok {
		return raw, nil, nil
	}
	return st.rule.Conform(raw)
}

// Write implements [pipeline.Sink]: it posts the batch once, or twice if the
// token is refused. If a single record is refused, it also posts an empty batch.
func (s *Sink) Write(ctx context.Context, name string, batch []pipeline.Record) error {
	if len(batch) == 0 {
		return nil
	}
	what := fmt.Sprintf("post %d records to stream Custom-%s", len(batch), name)
	st, ok := s.streams[name]
	if !ok {
		return fmt.Errorf("%s: the data collection rule has no such stream", what)
	}
	if ctx.Err() != nil {
		return azmonitor.Wrap(context.Cause(ctx), what)
	}
	return azmonitor.Wrap(s.write(ctx, name, st, batch), what)
}

func (s *Sink) write(ctx context.Context, name string, st stream, batch []pipeline.Record) error {
	if len(batch) > 1 && s.sizes.knownTooLarge(rawSize(batch)) {
		return &pipeline.Rejected{Err: errors.New("a smaller batch was refused for its size: sent in parts")}
	}
	body, err := s.pack(st.rule, batch, s.early.Size())
	if err != nil {
		var large *tooLarge
		if errors.As(err, &large) {
			s.sizes.overflow(name, large.raw)
		}
		return &pipeline.Rejected{Err: err}
	}
	if err := s.waitForSlot(ctx, body.raw); err != nil {
		return err
	}
	a, err := s.send(ctx, st.url, body)
	if err != nil {
		return err
	}
	if !body.padded && (a.Status == http.StatusRequestEntityTooLarge || a.cutOff()) {
		s.sizes.refused(body.raw)
	}
	if a.Status == http.StatusNoContent {
		s.early.Weigh(a.Answer, len(body.wire))
	}
	err = a.judge(s, name)
	switch {
	case err == nil:
		s.early.Acknowledged(len(body.wire))
		if !body.padded {
			s.sizes.packed(name, body.raw, len(body.wire))
		}
	case a.Status == http.StatusRequestEntityTooLarge && body.padded: // not for the records' size
		return a.Small(len(body.wire), MaxWire)
	case a.Status == http.StatusRequestEntityTooLarge && len(batch) == 1 && len(body.wire) <= MaxWire/2:
		return a.Small(len(body.wire), MaxWire)
	case a.Status == http.StatusBadRequest && len(batch) == 1:
		var rejected *pipeline.Rejected
		if errors.As(err, &rejected) {
			return s.confirmRejection(ctx, name, a, err)
		}
	}
	return err
}

// waitForSlot waits until the rule's rates allow another request.
func (s *Sink) waitForSlot(ctx context.Context, raw int) error {
	for _, wait := range []func() error{
		func() error { return s.requests.Wait(ctx) },
		func() error { return s.bytes.WaitN(ctx, raw) },
	} {
		if err := wait(); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return &pipeline.Retryable{Err: fmt.Errorf("wait for the rate that the data collection rule takes: %w", err)}
		}
	}
	return nil
}
