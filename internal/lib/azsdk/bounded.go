package azsdk

import (
	"fmt"
	"io"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Bounded limits the bodies of answers: the SDK reads most of them into memory in full, at any
// length.
type Bounded struct {
	policy.Transporter
	Max int64
}

// Do implements [policy.Transporter].
func (b Bounded) Do(req *http.Request) (*http.Response, error) {
	resp, err := b.Transporter.Do(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{resp.Body, b.Max, b.Max}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left, most int64
}

// Read implements [io.Reader]. It fails on the first byte over the limit.
func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, fmt.Errorf("the answer is larger than %d bytes", b.most)
	}
	return n, err
}
