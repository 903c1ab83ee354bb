// Package queue is a stand-in for the storage extension of the Functions host: what its queue
// trigger and its output binding do, on a real queue service (Azurite).
//
// [Listen] is one instance's listener, after the extension's QueueListener and QueueProcessor. It
// takes up to batchSize messages, hides each for ten minutes, renews that while the function runs,
// and takes the next batch when no more than newBatchThreshold are at work. It deletes a message
// after a success. After a failure it shows it again after visibilityTimeout, or, once it was
// delivered maxDequeueCount times, moves it to the queue of the same name with "-poison". Without
// messages it waits longer and longer, up to maxPollingInterval.
//
// [Queue.Send] is the output binding: one message for each value, base64-encoded, into a queue that it
// makes if there is none.
//
// An instance that is killed is a Listen whose context ends: what it was working on stays hidden.
package queue

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const apiVersion = "2021-12-02"

// Account is a storage account.
type Account struct {
	// URL is the queue endpoint, without a trailing slash. For Azurite its path is the account.
	URL       string
	Name, Key string
}

// Queue is one queue of an account.
type Queue struct {
	Account Account
	Name    string
	// HTTP is the client; nil means the default one.
	HTTP *http.Client
	// Requests counts the requests to the service.
	Requests *atomic.Int64
}

// Poison is the queue for what was given up.
func (q Queue) Poison() Queue {
	q.Name += "-poison"
	return q
}

// Message is a message as the service delivers it.
type Message struct {
	ID           string `xml:"MessageId"`
	Receipt      string `xml:"PopReceipt"`
	DequeueCount int    `xml:"DequeueCount"`
	Inserted     string `xml:"InsertionTime"`
	// Text is what the sender has put in, usually base64.
	Text string `xml:"MessageText"`
}

// Decoded is the text without base64; false if it is none.
func (m Message) Decoded() (string, bool) {
	text, err := base64.StdEncoding.DecodeString(m.Text)
	return string(text), err == nil
}

// Error is an answer other than success.
type Error struct {
	Status int
	Code   string
}

func (e *Error) Error() string {
	return fmt.Sprintf("the queue service answered %d %s", e.Status, e.Code)
}

// missing reports whether the queue does not exist.
func missing(err error) bool {
	var answer *Error
	return errors.As(err, &answer) && answer.Status == http.StatusNotFound
}

// Send puts values into the queue as the output binding does.
func (q Queue) Send(ctx context.Context, values ...string) error {
	for _, value := range values {
		if err := q.put(ctx, base64.StdEncoding.EncodeToString([]byte(value))); err != nil {
			return err
		}
	}
	return nil
}

// put puts a text in as it is, into a queue that it creates if it must.
func (q Queue) put(ctx context.Context, text string) error {
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"QueueMessage"`
		Text    string   `xml:"MessageText"`
	}{Text: text})
	if err != nil {
		return err
	}
	send := func() error { return q.do(ctx, http.MethodPost, "/messages", nil, body, nil) }
	if err = send(); !missing(err) {
		return err
	}
	if err := q.Create(ctx); err != nil {
		return err
	}
	return send()
}

// Put puts a text into the queue as it is, as other programs may.
func (q Queue) Put(ctx context.Context, text string) error { return q.put(ctx, text) }

// Create creates the queue unless it exists.
func (q Queue) Create(ctx context.Context) error {
	err := q.do(ctx, http.MethodPut, "", nil, nil, nil)
	var answer *Error
	if errors.As(err, &answer) && answer.Status == http.StatusConflict {
		return nil
	}
	return err
}

type messages struct {
	List []Message `xml:"QueueMessage"`
}

// Receive takes up to n messages, and hides them for a time.
func (q Queue) Receive(ctx context.Context, n int, hidden time.Duration) ([]Message, error) {
	var got messages
	err := q.do(ctx, http.MethodGet, "/messages", url.Values{"numofmessages": {strconv.Itoa(n)}, "visibilitytimeout": {seconds(hidden)}}, nil, &got)
	return got.List, err
}

// Peek looks at up to 32 messages that are not hidden.
func (q Queue) Peek(ctx context.Context) ([]Message, error) {
	var got messages
	err := q.do(ctx, http.MethodGet, "/messages", url.Values{"peekonly": {"true"}, "numofmessages": {"32"}}, nil, &got)
	if missing(err) {
		return nil, nil
	}
	return got.List, err
}

// Len is about how many messages there are, hidden ones included. A queue that is missing has none.
func (q Queue) Len(ctx context.Context) (int, error) {
	h, err := q.exchange(ctx, http.MethodGet, "", url.Values{"comp": {"metadata"}}, nil, nil)
	if missing(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(h.Get("x-ms-approximate-messages-count"))
}

// hide changes how long a message is hidden, and returns its new receipt.
func (q Queue) hide(ctx context.Context, m Message, hidden time.Duration) (Message, error) {
	h, err := q.exchange(ctx, http.MethodPut, "/messages/"+m.ID, url.Values{"popreceipt": {m.Receipt}, "visibilitytimeout": {seconds(hidden)}}, nil, nil)
	if err == nil {
		m.Receipt = h.Get("x-ms-popreceipt")
	}
	return m, err
}

// remove deletes a message.
func (q Queue) remove(ctx context.Context, m Message) error {
	return q.do(ctx, http.MethodDelete, "/messages/"+m.ID, url.Values{"popreceipt": {m.Receipt}}, nil, nil)
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

func (q Queue) do(ctx context.Context, method, path string, query url.Values, body []byte, into any) error {
	_, err := q.exchange(ctx, method, path, query, body, into)
	return err
}

// exchange sends a signed request, and reads the answer.
func (q Queue) exchange(ctx context.Context, method, path string, query url.Values, body []byte, into any) (http.Header, error) {
	address := q.Account.URL + "/" + q.Name + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("x-ms-version", apiVersion)
	req.Header.Set("x-ms-date", time.Now().UTC().Format(http.TimeFormat))
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/xml")
	}
	if err := q.sign(req, len(body)); err != nil {
		return nil, err
	}
	if q.Requests != nil {
		q.Requests.Add(1)
	}
	client := q.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, &Error{resp.StatusCode, resp.Header.Get("x-ms-error-code")}
	}
	if into != nil {
		err = xml.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), into)
	}
	return resp.Header, err
}

// sign adds the signature with the account's key.
func (q Queue) sign(req *http.Request, length int) error {
	key, err := base64.StdEncoding.DecodeString(q.Account.Key)
	if err != nil {
		return err
	}
	size := ""
	if length > 0 {
		size = strconv.Itoa(length)
	}
	lines := []string{req.Method, "", "", size, "", req.Header.Get("Content-Type"), "", "", "", "", "", "", "x-ms-date:" + req.Header.Get("x-ms-date"), "x-ms-version:" + apiVersion}
	resource := []string{"/" + q.Account.Name + req.URL.EscapedPath()}
	query := req.URL.Query()
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		resource = append(resource, name+":"+strings.Join(query[name], ","))
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join(append(lines, resource...), "\n")))
	req.Header.Set("Authorization", "SharedKey "+q.Account.Name+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}
