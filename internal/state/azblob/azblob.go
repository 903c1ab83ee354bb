// Package azblob keeps state in Azure Blob Storage: the adapter that runs in
// the cloud. It works with Azurite too.
//
// An object is a block blob of the same name in one container, which is
// created when something is first stored. Conditional writes use If-Match and
// If-None-Match headers. A lock is a lease on a small blob of the lock's name:
// acquired for 30 s, renewed every 10 s, and free at most 30 s after its holder
// dies. If a holder can't renew it in time, its context ends before the service
// gives the lease to another.
//
// Faults that may pass are retried here, a few times and within ctx. If the
// answer to a conditional write is lost, repeating it fails with a conflict with
// the first attempt; so the blob is read back, and if it holds the data, the
// write counts as done.
//
// Errors are short and name the setting to check. They contain no URL with a
// query, no header and no body, and wrap no SDK error, which would print all of
// these.
package azblob

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the service's checksum, not a signature
	"errors"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

var _ state.Store = (*Store)(nil)

// Config says where the container is and how to get in. Exactly one of
// AccountKey, Credential and SAS is set.
type Config struct {
	// ServiceURL is the blob endpoint of the account, checked by package address. Nil
	// means the endpoint of AccountName in the public cloud.
	ServiceURL *url.URL
	// Container is the container's name, also checked.
	Container   string
	AccountName string
	AccountKey  secret.Keeper
	// Credential issues tokens, for example of a managed identity.
	Credential azcore.TokenCredential
	// SAS is the query of a shared access signature.
	SAS secret.String
	// RenewEvery is how often a lock's lease is renewed; 0 means 10 s.
	RenewEvery time.Duration
	// ClientOptions are for tests: transport, retries, policies.
	ClientOptions policy.ClientOptions
}

// Store is a [state.Store] in a container.
type Store struct {
	container  *container.Client
	where      where
	renewEvery time.Duration
}

// New returns the store in the container that cfg names. It sends nothing.
func New(cfg Config) (*Store, error) {
	s := &Store{renewEvery: cfg.RenewEvery}
	if s.renewEvery == 0 {
		s.renewEvery = defaultRenewEvery
	}
	a, err := resolve(cfg)
	if err != nil {
		return nil, err
	}
	s.where = a.where
	if s.container, err = a.client(clientOptions(cfg.ClientOptions)); err != nil {
		return nil, err
	}
	return s, nil
}

// clientOptions returns the SDK's options, with an observer of each attempt.
func clientOptions(o policy.ClientOptions) *container.ClientOptions {
	o = azsdk.ClientOptions(o)
	// Largest also covers listings, which come in pages of 5,000 names.
	o.Transport = azsdk.Bounded{Transporter: o.Transport, Max: state.Largest}
	o.PerRetryPolicies = append(o.PerRetryPolicies[:len(o.PerRetryPolicies):len(o.PerRetryPolicies)], observer{})
	return &container.ClientOptions{ClientOptions: o}
}

// call is one operation in progress: the details for its errors, and its attempts.
type call struct {
	*Store
	op, key string
	tries   tries
}

// begin does the checks that come first in every operation. The returned context
// makes the SDK report each attempt to the call.
func (s *Store) begin(ctx context.Context, op, key string) (context.Context, *call, error) {
	if err := state.CheckKey(key); err != nil {
		return nil, nil, err
	}
	c := &call{Store: s, op: op, key: key}
	if ctx.Err() != nil {
		return nil, nil, c.fail(ctx, ctx.Err())
	}
	return c.tries.watch(ctx), c, nil
}

// Get implements [state.Store].
func (s *Store) Get(ctx context.Context, key string) (state.Object, error) {
	ctx, c, err := s.begin(ctx, "read", key)
	if err != nil {
		return state.Object{}, err
	}
	o, err := c.get(ctx)
	if err != nil {
		return state.Object{}, c.fail(ctx, err)
	}
	return o, nil
}

func (c *call) get(ctx context.Context) (state.Object, error) {
	resp, err := c.container.NewBlobClient(c.key).DownloadStream(ctx, nil)
	if err != nil {
		return state.Object{}, err
	}
	if resp.ETag == nil {
		return state.Object{}, errors.New("the answer has no ETag")
	}
	// If the connection breaks, the reader requests the rest of the same version.
	body := resp.NewRetryReader(ctx, &blob.RetryReaderOptions{MaxRetries: 2})
	defer body.Close()
	size := int64(-1)
	if resp.ContentLength != nil {
		size = *resp.ContentLength
	}
	data, err := state.ReadAll(c.key, body, size)
	if err != nil {
		return state.Object{}, err
	}
	if sum := md5.Sum(data); len(resp.ContentMD5) > 0 && !bytes.Equal(resp.ContentMD5, sum[:]) { //nolint:gosec // see above
		return state.Object{}, errors.New("the bytes do not match their checksum; they were damaged in transit")
	}
	return state.Object{Data: data, ETag: state.ETag(*resp.ETag)}, nil
}

// Put implements [state.Store].
func (s *Store) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	return s.PutParts(ctx, key, [][]byte{data}, prev)
}

// PutParts implements [state.Parted].
func (s *Store) PutParts(ctx context.Context, key string, parts [][]byte, prev state.ETag) (state.ETag, error) {
	ctx, c, err := s.begin(ctx, "write", key)
	if err != nil {
		return "", err
	}
	if err := state.CheckSize(key, state.SizeOf(parts)); err != nil {
		return "", c.fail(ctx, err)
	}
	etag, err := c.put(ctx, parts, prev)
	if bloberror.HasCode(err, bloberror.ContainerNotFound) {
		if err = c.createContainer(ctx); err == nil {
			etag, err = c.put(ctx, parts, prev)
		}
	}
	if err != nil {
		return "", c.fail(ctx, err)
	}
	return etag, nil
}

func (c *call) put(ctx context.Context, parts [][]byte, prev state.ETag) (state.ETag, error) {
	conditions := new(blob.ModifiedAccessConditions)
	switch prev {
	case state.Any:
	case state.Absent:
		conditions.IfNoneMatch = to.Ptr(azcore.ETagAny)
	default:
		conditions.IfMatch = to.Ptr(azcore.ETag(prev))
	}
	sum := md5.New() //nolint:gosec // see above
	for _, p := range parts {
		sum.Write(p)
	}
	resp, err := c.container.NewBlockBlobClient(c.key).Upload(ctx, state.NewReader(parts), &blockblob.UploadOptions{
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: conditions},
		// The service refuses damaged bytes, also from an abandoned attempt that still
		// reads the data for a moment after the caller may reuse it.
		TransactionalValidation: blob.TransferValidationTypeMD5(sum.Sum(nil)),
	})
	switch {
	case err == nil && resp.ETag == nil:
		return "", errors.New("the answer has no ETag")
	case err == nil:
		return state.ETag(*resp.ETag), nil
	case prev != state.Any && c.tries.n > 1 && isConflict(err):
		return c.readBack(ctx, parts, err)
	}
	return "", err
}

// readBack distinguishes a conflict with another writer from one with an earlier
// attempt of the same write, whose answer was lost.
func (c *call) readBack(ctx context.Context, parts [][]byte, conflict error) (state.ETag, error) {
	switch now, err := c.get(ctx); {
	case err != nil && !isNotFound(err):
		return "", err // unknown; the caller must assume neither
	case err == nil && state.SameAs(parts, now.Data):
		return now.ETag, nil
	}
	return "", conflict
}

// createContainer creates the container. It is not an error if another process was faster.
func (c *call) createContainer(ctx context.Context) error {
	_, err := c.container.Create(ctx, nil)
	if bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return nil
	}
	return err
}

// Delete implements [state.Store].
func (s *Store) Delete(ctx context.Context, key string) error {
	ctx, c, err := s.begin(ctx, "delete", key)
	if err != nil {
		return err
	}
	if _, err := s.container.NewBlobClient(key).Delete(ctx, nil); err != nil && !isNotFound(err) {
		return c.fail(ctx, err)
	}
	return nil
}

// List implements [state.Store]. It skips blobs whose names are not valid keys.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[state.Info, error] {
	return func(yield func(state.Info, error) bool) {
		if err := state.CheckPrefix(prefix); err != nil {
			yield(state.Info{}, err)
			return
		}
		c := &call{Store: s, op: "list", key: prefix}
		ctx := c.tries.watch(ctx)
		if ctx.Err() != nil {
			yield(state.Info{}, c.fail(ctx, ctx.Err()))
			return
		}
		pager := s.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix})
		for pager.More() {
			page, err := pager.NextPage(ctx)
			if bloberror.HasCode(err, bloberror.ContainerNotFound) {
				return
			}
			if err != nil {
				yield(state.Info{}, c.fail(ctx, err))
				return
			}
			for _, item := range page.Segment.BlobItems {
				if info, ok := infoOf(item); ok && !yield(info, nil) {
					return
				}
			}
		}
	}
}

func infoOf(item *container.BlobItem) (state.Info, bool) {
	if item.Name == nil || state.CheckKey(*item.Name) != nil {
		return state.Info{}, false
	}
	info := state.Info{Key: *item.Name}
	if p := item.Properties; p != nil {
		if p.ContentLength != nil {
			info.Size = *p.ContentLength
		}
		if p.LastModified != nil {
			info.Modified = p.LastModified.UTC()
		}
	}
	return info, true
}

// tries records the attempts of one call, which the SDK does not report.
type tries struct {
	n      int
	err    error  // of the last attempt, if it got no answer
	status string // of its answer, if the fault may pass
}

// explain says why the last attempt failed, if it did.
func (t *tries) explain(peer transport.Peer) string {
	if t.err == nil {
		return t.status
	}
	var token *azsdk.TokenError
	if errors.As(t.err, &token) {
		return "no token: " + azsdk.Text(token)
	}
	return transport.Explain(t.err, peer).Error()
}

type triesKey struct{}

func (t *tries) watch(ctx context.Context) context.Context {
	return context.WithValue(ctx, triesKey{}, t)
}

// observer is a policy that sees every attempt.
type observer struct{}

// Do implements [policy.Policy].
func (observer) Do(req *policy.Request) (*http.Response, error) {
	t, ok := req.Raw().Context().Value(triesKey{}).(*tries)
	if !ok {
		return req.Next()
	}
	t.n++
	resp, err := req.Next()
	t.err, t.status = err, ""
	if err == nil && (resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests) {
		t.status = resp.Status
	}
	return resp, err
}
