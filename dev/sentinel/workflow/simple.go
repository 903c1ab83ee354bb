package workflow

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/expr"
)

// simple performs an action that has no others inside.
func (r *Run) simple(name string, a Action, inputs any, e *Entry) (any, error) {
	object, _ := inputs.(map[string]any)
	switch a.Type {
	case "Compose":
		return inputs, nil
	case "InitializeVariable":
		for _, v := range object["variables"].([]any) {
			one := v.(map[string]any)
			r.variables[one["name"].(string)] = one["value"]
		}
		return nil, nil
	case "SetVariable":
		return nil, r.set(object, func(any) any { return object["value"] })
	case "AppendToStringVariable":
		return nil, r.set(object, func(before any) any { return expr.Text(before) + expr.Text(object["value"]) })
	case "AppendToArrayVariable":
		return nil, r.set(object, func(before any) any { return append(slices.Clone(before.([]any)), object["value"]) })
	case "Wait":
		interval := object["interval"].(map[string]any)
		if interval["unit"] != "Second" {
			return nil, fmt.Errorf("wait in %v: %w", interval["unit"], errNotSupported)
		}
		r.now = r.now.Add(time.Duration(interval["count"].(float64)) * time.Second)
		return nil, nil
	case "Terminate":
		r.ended = object["runStatus"].(string)
		return nil, nil
	case "Http":
		return r.http(name, a, object, e)
	case "ApiConnection", "ApiConnectionWebhook":
		return r.connector(name, a, object, e)
	}
	return nil, fmt.Errorf("type %s: %w", a.Type, errNotSupported)
}

func (r *Run) set(inputs map[string]any, change func(any) any) error {
	name := inputs["name"].(string)
	before, ok := r.variables[name]
	if !ok {
		return fmt.Errorf("there is no variable %s", name)
	}
	r.variables[name] = change(before)
	return nil
}

func (r *Run) http(name string, a Action, inputs map[string]any, e *Entry) (any, error) {
	req := Request{Action: name, Method: inputs["method"].(string), URI: inputs["uri"].(string), Header: map[string]string{}, Body: inputs["body"]}
	u, err := url.Parse(req.URI)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the address is not one of https")
	}
	headers, _ := inputs["headers"].(map[string]any)
	for header, v := range headers {
		req.Header[header] = expr.Text(v)
	}
	req.Auth, _ = inputs["authentication"].(map[string]any)
	return r.send(inputs, e, func() (Response, error) {
		req.At = r.now
		res := r.env.HTTP(req)
		if res.Status == 202 && a.OperationOptions != "DisableAsyncPattern" {
			return res, errors.New("202 is followed to the end unless DisableAsyncPattern is set: not supported by the interpreter")
		}
		return res, nil
	})
}

func (r *Run) connector(name string, a Action, inputs map[string]any, e *Entry) (any, error) {
	host := inputs["host"].(map[string]any)["connection"].(map[string]any)
	req := Request{Action: name, Connection: host["name"].(string), URI: inputs["path"].(string), Body: inputs["body"], At: r.now}
	if a.Type == "ApiConnection" {
		req.Method = inputs["method"].(string)
		return r.send(inputs, e, func() (Response, error) { return r.env.Connector(req), nil })
	}
	answer, answered := r.env.Webhook(req)
	if !answered {
		limit, err := duration(a.Limit.Timeout)
		if err != nil {
			return nil, err
		}
		r.now = r.now.Add(limit)
		e.Status = TimedOut
		return nil, nil
	}
	if answer.Status >= 400 {
		e.Status = Failed
	}
	return map[string]any{"statusCode": float64(answer.Status), "body": answer.Body}, nil
}

// send sends a request, again where the policy of the action says so.
func (r *Run) send(inputs map[string]any, e *Entry, once func() (Response, error)) (any, error) {
	policy, _ := inputs["retryPolicy"].(map[string]any)
	more, pause := 4, 7*time.Second // what the service does without a policy
	if policy != nil {
		more = 0
		if policy["type"] != "none" {
			more = int(policy["count"].(float64))
			var err error
			if pause, err = duration(policy["interval"].(string)); err != nil {
				return nil, err
			}
		}
	}
	for {
		e.Attempts++
		res, err := once()
		if err != nil {
			return nil, err
		}
		again := res.Status == 0 || res.Status == 408 || res.Status == 429 || res.Status >= 500
		if again && e.Attempts <= more {
			r.now = r.now.Add(pause)
			continue
		}
		if res.Status == 0 {
			return nil, errors.New("there is no answer")
		}
		if res.Status >= 400 {
			e.Status = Failed
		}
		return map[string]any{"statusCode": float64(res.Status), "body": res.Body}, nil
	}
}

var iso = regexp.MustCompile(`^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$`)

// duration reads a duration of ISO 8601; none is an hour, as for loops.
func duration(text string) (time.Duration, error) {
	if text == "" {
		return time.Hour, nil
	}
	m := iso.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("duration %q", text)
	}
	var d time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, _ := strconv.Atoi(m[i+1])
		d += time.Duration(n) * unit
	}
	return d, nil
}
