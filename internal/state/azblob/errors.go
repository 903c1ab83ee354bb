package azblob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

const (
	// role is the built-in role that gives an identity access to a container.
	role  = "Storage Blob Data Contributor"
	grant = "give the identity that asks (the app's managed identity; on your own machine it is you) the role \"" + role + "\" on the storage account (a new assignment takes some minutes; for status and other looks \"Storage Blob Data Reader\" is enough)"
	// keysForbidden is missing from the SDK's codes.
	keysForbidden = "KeyBasedAuthenticationNotPermitted"
)

func isConflict(err error) bool {
	return bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.ConditionNotMet, bloberror.TargetConditionNotMet)
}

// isNotFound is strict: another 404 may come from a wrong endpoint, and treating
// it as "no checkpoint yet" would start the stream over.
func isNotFound(err error) bool {
	return bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.ContainerNotFound)
}

func isLocked(err error) bool {
	return bloberror.HasCode(err, bloberror.LeaseAlreadyPresent, bloberror.LeaseIsBreakingAndCannotBeAcquired)
}

// isLeaseLost reports whether the service says that this process no longer holds the lease.
func isLeaseLost(err error) bool {
	return isNotFound(err) || bloberror.HasCode(err,
		bloberror.LeaseIDMismatchWithLeaseOperation, bloberror.LeaseIsBrokenAndCannotBeRenewed,
		bloberror.LeaseNotPresentWithLeaseOperation, bloberror.LeaseLost, bloberror.LeaseAlreadyBroken)
}

// fail adds the operation, the object and the remedy to an error. The result wraps
// a sentinel of package state or the end of ctx, but no SDK error.
func (c *call) fail(ctx context.Context, err error) error {
	what := fmt.Sprintf("%s blob %q in container %q", c.op, c.key, c.where.container)
	switch {
	case isConflict(err):
		return fmt.Errorf("%s: %w", what, state.ErrConflict)
	case isNotFound(err):
		return fmt.Errorf("%s: %w", what, state.ErrNotFound)
	case errors.Is(err, state.ErrTooLarge):
		return fmt.Errorf("%s: %w: inspect the blob, and restore an earlier copy of it", what, err)
	case isLocked(err), errors.Is(err, state.ErrLocked):
		return fmt.Errorf("%s: %w", what, &state.LockedError{Remedy: c.where.breakLease(c.key)})
	}
	if ended := state.ContextErr(ctx); ended != nil {
		if last := c.tries.explain(c.where.peer()); last != "" {
			return fmt.Errorf("%s: %w (last attempt: %s)", what, ended, last)
		}
		return fmt.Errorf("%s: %w", what, ended)
	}
	var refused *azcore.ResponseError
	var token *azsdk.TokenError
	var key *azsdk.KeyError
	switch {
	case errors.As(err, &key):
		return fmt.Errorf("%s: %s", what, key.Error())
	case errors.As(err, &token):
		return fmt.Errorf("%s: no token for the storage account: %s", what, token.Explain(
			fmt.Sprintf("give the app a managed identity with the role %q (AZURE_CLIENT_ID names a user-assigned one), or set %s; on your own machine, sign in with az login", role, settingKey)))
	}
	// The result must not wrap an SDK error, so the text is enough.
	if f := azsdk.Explain(err, c.where.peer()); f != nil {
		return fmt.Errorf("%s: %s", what, f.Error())
	}
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("%s: %s%s", what, statusOf(refused), c.where.remedy(refused, c.key))
	}
	return fmt.Errorf("%s at %s: %s: check %s", what, c.where.host, azsdk.Text(err), c.where.place)
}

// peer names the account in error texts.
func (w where) peer() transport.Peer { return transport.Peer{Host: w.host, Settings: w.place} }

// statusOf is the answer in one line: status, code, and the request id that support asks for.
func statusOf(e *azcore.ResponseError) string {
	s := azsdk.Status(e)
	if e.RawResponse != nil {
		if id := e.RawResponse.Header.Get("x-ms-request-id"); id != "" {
			s += " (request " + azsdk.FirstLine(id) + ")"
		}
	}
	return s
}

// breakLease says how to end a lease that does not belong to a run.
func (w where) breakLease(key string) string {
	return fmt.Sprintf("if no run or command of this connector is active, break the lease: az storage blob lease break --account-name %s --container-name %s --blob-name %s --auth-mode login", w.account, w.container, key)
}

// remedy says what the user can do about a refusal.
func (w where) remedy(e *azcore.ResponseError, key string) string {
	switch {
	case e.ErrorCode == string(bloberror.LeaseIDMissing):
		return ": another process holds a lease on it; " + w.breakLease(key)
	case strings.HasPrefix(e.ErrorCode, "BlobImmutable"):
		return fmt.Sprintf(": a legal hold or an immutability policy on container %q prevents state from being replaced: remove it, or use a separate container for the state (STATE_URL)", w.container)
	case e.StatusCode != http.StatusUnauthorized && e.StatusCode != http.StatusForbidden:
		if e.StatusCode == http.StatusNotFound {
			return ": check " + w.place
		}
		if e.ErrorCode == "" {
			return ": " + transport.Unexpected(e.StatusCode, w.peer())
		}
		return ""
	case e.ErrorCode == "":
		grantOrKey := grant
		if w.by != "" {
			grantOrKey = fmt.Sprintf("%s is wrong, expired or for an account other than %s", w.by, w.host)
		}
		return ": " + transport.Doubtful(w.peer()) + grantOrKey
	case e.ErrorCode == keysForbidden:
		return fmt.Sprintf(": the account does not accept keys: remove %s and %s", w.by, grant)
	case w.by == "" && e.ErrorCode == string(bloberror.AuthorizationFailure):
		return ": the account's network rules block this app or machine, or " + grant
	case w.by == "":
		return ": " + grant
	case e.ErrorCode == string(bloberror.AuthorizationFailure):
		return fmt.Sprintf(": the account's network rules block this app or machine, or %s is wrong, expired or lacks permissions", w.by)
	}
	return fmt.Sprintf(": %s is wrong, expired or for an account other than %s, or this machine's clock is off by more than 15 minutes", w.by, w.host)
}
