package sailpoint

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// This file is about the answers that are posted after a request was answered, to the address in its
// body. They are stored until that is done, so that the next process posts them if this one dies.
//
// The secret of an invocation belongs to its answer, and the state must hold no secret that can be read
// there. So what is stored is encrypted with a key that is derived from the credential which the sender
// presents: every process of the app has it, and the state has not. See
// docs/adr/0039-answers-that-are-owed.md.

// purpose is what the key is for. It is part of the format.
const purpose = "idn-sentinel: answers of triggers that are owed, v1"

// ErrSealed means that what is stored can't be opened: the credential was replaced, or it is damaged.
var ErrSealed = errors.New("an answer that is owed can't be read: the token of the hook was replaced since, or the object is damaged")

// decision is an answer to post, and where.
type decision struct {
	callback string // as it came
	secret   secret.String
	output   []byte
}

// storedDecision is the JSON of one, before it is sealed.
type storedDecision struct {
	Callback string         `json:"callback"`
	Secret   string         `json:"secret"`
	Output   jsontext.Value `json:"output"`
}

// post posts answers, each to an address of the tenant.
func (h *Hook) post(ctx context.Context, answers []decision) error {
	var errs []error
	for _, a := range answers {
		target, err := h.callbackTarget(a.callback)
		if err == nil {
			err = h.complete(ctx, target, a.secret, a.output)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// seal returns answers as they may be stored; nil if that is not possible.
func (h *Hook) seal(answers []decision) []byte {
	keys := h.keys()
	if len(keys) == 0 {
		return nil
	}
	list := make([]storedDecision, len(answers))
	for i, a := range answers {
		list[i] = storedDecision{a.callback, a.secret.Reveal(), a.output}
	}
	plain, err := json.Marshal(list, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil
	}
	box, err := boxOf(keys[0])
	if err != nil {
		return nil
	}
	nonce := make([]byte, box.NonceSize(), box.NonceSize()+len(plain)+box.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return box.Seal(nonce, nonce, plain, nil)
}

// Settle implements [source.Hook].
func (h *Hook) Settle(ctx context.Context, sealed []byte) error {
	list, err := h.open(sealed)
	if err != nil { // a credential may not have been read yet
		if unready := h.Ready(ctx); unready != nil {
			return fmt.Errorf("%w: %w", err, unready)
		}
		list, err = h.open(sealed)
	}
	if err != nil {
		return err
	}
	return h.post(ctx, list)
}

// open reads what seal returned.
func (h *Hook) open(sealed []byte) ([]decision, error) {
	for _, key := range h.keys() {
		box, err := boxOf(key)
		if err != nil || len(sealed) < box.NonceSize() {
			break
		}
		plain, err := box.Open(nil, sealed[:box.NonceSize()], sealed[box.NonceSize():], nil)
		if err != nil {
			continue
		}
		var list []storedDecision
		if err := json.Unmarshal(plain, &list, jsontext.AllowInvalidUTF8(true)); err != nil {
			break
		}
		decisions := make([]decision, len(list))
		for i, d := range list {
			decisions[i] = decision{d.Callback, secret.New(d.Secret), d.Output}
		}
		return decisions, nil
	}
	return nil, ErrSealed
}

// keys are the credentials that are known, the one in use first.
func (h *Hook) keys() []secret.String { return append(h.bearer.Texts(), h.basic.Texts()...) }

func boxOf(credential secret.String) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(credential.Reveal()), nil, purpose, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
