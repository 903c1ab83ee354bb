package sailpoint

import (
	"bytes"
	"cmp"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The two public triggers of type REQUEST_RESPONSE.
const (
	dynamicApprover = "idn:access-request-dynamic-approver"
	preApproval     = "idn:access-request-pre-approval"
)

// postApproval is the trigger Access Request Decision. It waits for nothing.
const postApproval = "idn:access-request-post-approval"

// approver is the answer of a dynamic approver. With empty texts the request takes the course that
// it takes without a subscriber; an empty object does not satisfy the trigger's schema.
type approver struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// approval is the answer of a pre-approval. It has no neutral form but approval: the request then
// meets its usual approvals, which come after this one; anything else stops it.
type approval struct {
	Approved bool   `json:"approved"`
	Comment  string `json:"comment"`
	// Approver must be a user name that exists: with any other text the trigger "Access Request
	// Decision" never fires for the request. A request has names of people, which may be user names
	// or not; see requester.
	Approver string `json:"approver"`
}

const comment = "Recorded only: no decision was made here."

// decide completes the answer for a trigger that waits for one; see promise "harmless" in the
// README. SYNC, ASYNC and DYNAMIC get the same: the neutral output at once, which is the decision
// for the first and the last, and besides, where the body names an address for it, the same output
// is posted there, which is the decision for ASYNC.
func (h *Hook) decide(push *receipt, e *pushed) {
	if h.cfg.Refuse {
		push.Answer.Status = http.StatusForbidden
		return
	}
	user, sure := cmp.Or(h.cfg.Approver, e.requester()), true
	if h.cfg.Approver == "" {
		sure = isUserName(user)
	}
	output, known := e.neutral(user)
	push.Answer.Body = output
	if !sure && bytes.Contains(output, []byte(`"approver"`)) {
		push.trouble("the answer of a pre-approval had to name a user, and the requester's name in the request does not look like a user name, so the trigger Access Request Decision may not fire for this request: " +
			"set REQUEST_RESPONSE_APPROVER to a user name that exists, or unsubscribe the trigger (" + e.name() + ")")
	}
	switch {
	case known:
	case !e.named() && len(output) > len("{}"):
		push.trouble("an access request waits for an answer, but the event does not name its trigger, nor does the address; it got an answer that fits both public triggers of type REQUEST_RESPONSE: unsubscribe what posts access requests to this app's address")
	default:
		push.trouble("a trigger of type REQUEST_RESPONSE whose neutral answer is not known is subscribed with this app's address, and got an empty one: unsubscribe it (" + e.name() + ")")
	}
	if e.callback == "" {
		return
	}
	if _, err := h.callbackTarget(e.callback); err != nil {
		push.trouble("a trigger of type REQUEST_RESPONSE expects its answer at an address that is not one of this tenant, so none was posted: unsubscribe it (" + e.name() + ")")
		return
	}
	push.answers = append(push.answers, decision{e.callback, e.secret, output})
}

// triggerForm is what the ids of triggers look like.
var triggerForm = regexp.MustCompile(`^idn:[A-Za-z0-9._-]+$`)

// name names the trigger in the log. Any other text may be a value in the wrong place.
func (p *pushed) name() string {
	if !triggerForm.MatchString(p.triggerID) {
		return "unknown trigger"
	}
	return p.triggerID
}

// waits reports whether an access request waits for the answer.
func (p *pushed) waits() bool {
	kind := strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(p.triggerType, "_", ""), "-", ""))
	switch {
	case kind == "requestresponse", p.callback != "":
		return true
	case p.is(dynamicApprover), p.is(preApproval):
		return true
	case p.named(), kind != "":
		return false
	}
	return p.isAccessRequest()
}

// is reports whether the event is of a trigger. Case does not matter, because a person may have typed
// the id, as part of the address.
func (p *pushed) is(triggerID string) bool { return strings.EqualFold(p.triggerID, triggerID) }

// named reports whether it is certain which trigger the event is of. The address does not count here,
// because a person may have used that of another trigger; an exception is the one whose events are
// about access requests, too.
func (p *pushed) named() bool { return p.triggerID != "" && (!p.addressed || p.is(postApproval)) }

// isAccessRequest recognises the input of the two triggers, which is the same. One that has been
// decided has requestedItemsStatus instead of requestedItems.
func (p *pushed) isAccessRequest() bool {
	all, err := members(p.payload)
	if err != nil {
		return false
	}
	for _, name := range []string{"accessRequestId", "requestedFor", "requestedItems", "requestedBy"} {
		if all[name] == nil {
			return false
		}
	}
	return true
}

// neutral is the output that changes nothing. known is false if the trigger is not one of the two
// public ones.
func (p *pushed) neutral(user string) (output []byte, known bool) {
	var answer any
	known = true
	switch {
	case p.is(dynamicApprover):
		answer = approver{}
	case p.is(preApproval):
		answer = approval{Approved: true, Comment: comment, Approver: user}
	case !p.named() && p.isAccessRequest():
		known = false
		answer = struct { // right for either of the two
			approval
			approver
		}{approval{Approved: true, Comment: comment, Approver: user}, approver{}}
	default:
		return []byte("{}"), false
	}
	output, err := json.Marshal(answer, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return []byte("{}"), false
	}
	return output, known
}

// isUserName reports whether a name may be a user name. One with a blank is how a person is shown.
func isUserName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, unicode.IsSpace)
}

// requester is the name of who requested the access, or of who gets it. One that may be a user name is
// preferred.
func (p *pushed) requester() (name string) {
	all, err := members(p.payload)
	if err != nil {
		return ""
	}
	for _, who := range []string{"requestedBy", "requestedFor"} {
		person := all[who]
		if person.Kind() == jsontext.KindBeginArray { // several recipients
			dec := newDecoder(person)
			if _, err := dec.ReadToken(); err != nil || dec.PeekKind() != jsontext.KindBeginObject {
				continue
			}
			if person, err = part(dec, person); err != nil {
				continue
			}
		}
		if person.Kind() != jsontext.KindBeginObject {
			continue
		}
		own, err := members(person)
		if err != nil {
			continue
		}
		switch found := textOf(own["name"]); {
		case isUserName(found):
			return found
		case name == "":
			name = found
		}
	}
	return name
}
