package identityiq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The lists that a collector may read.
const (
	TaskResults      = "TaskResults"
	PolicyViolations = "PolicyViolations"
	Alerts           = "Alerts"
)

// list holds the resources of one type in the order of their creation.
type list struct {
	ids  []string
	docs map[string][]byte
	// orders are the documents in each order that was asked for since the last change.
	orders map[string][][]byte
}

// Put creates a resource, or replaces it. raw is served as it is.
func (s *Server) Put(kind, id string, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.list(kind)
	if _, known := l.docs[id]; !known {
		l.ids = append(l.ids, id)
	}
	l.docs[id], l.orders = raw, nil
}

// Remove deletes a resource.
func (s *Server) Remove(kind, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.list(kind)
	delete(l.docs, id)
	l.orders = nil
	l.ids = slices.DeleteFunc(l.ids, func(other string) bool { return other == id })
}

// Resources returns the resources of a type by their id.
func (s *Server) Resources(kind string) map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.list(kind).docs)
}

func (s *Server) list(kind string) *list {
	if s.resources == nil {
		s.resources = make(map[string]*list)
	}
	if s.resources[kind] == nil {
		s.resources[kind] = &list{docs: map[string][]byte{}}
	}
	return s.resources[kind]
}

// serveList is a list of SCIM. filter and attributes are not served: this is no place to guess what
// the product supports of them.
func (s *Server) serveList(w http.ResponseWriter, r *http.Request, kind string) {
	if !s.authorized(w, r, RightSCIM) {
		return
	}
	if !slices.Contains([]string{TaskResults, PolicyViolations, Alerts}, kind) {
		scimError(w, http.StatusNotFound, "Unsupported resource type: "+kind)
		return
	}
	values := r.URL.Query()
	for _, name := range []string{"filter", "attributes", "excludedAttributes"} {
		if values.Has(name) {
			scimError(w, http.StatusNotImplemented, "the stand-in does not know "+name)
			return
		}
	}
	if values.Has("sortBy") && s.RefuseSort {
		scimError(w, http.StatusBadRequest, "sortBy is not supported for "+kind)
		return
	}
	start, count := whole(values.Get("startIndex"), 1), whole(values.Get("count"), 1000)
	if s.ServeAtMost > 0 {
		count = min(count, s.ServeAtMost)
	}
	docs := s.sorted(kind, values.Get("sortBy"), strings.EqualFold(values.Get("sortOrder"), "descending"))
	from := min(max(start, 1)-1, len(docs))
	page := docs[from:min(from+max(count, 0), len(docs))]
	var b bytes.Buffer
	fmt.Fprintf(&b, `{%s"startIndex":%d,"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"Resources":[`, s.total(len(page), len(docs)), start)
	b.Write(bytes.Join(page, []byte(",")))
	b.WriteString("]}")
	write(w, http.StatusOK, "application/scim+json", b.Bytes())
}

func whole(text string, otherwise int) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return otherwise
	}
	return n
}

// sorted returns the resources of a type in the order of an attribute, or of their creation. The caller
// must not change the list.
func (s *Server) sorted(kind, by string, descending bool) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, order := s.list(kind), fmt.Sprint(by, descending)
	if docs, known := l.orders[order]; known {
		return docs
	}
	type keyed struct {
		key string
		doc []byte
	}
	all := make([]keyed, len(l.ids))
	for i, id := range l.ids {
		all[i].doc = l.docs[id]
		if by != "" {
			all[i].key = attribute(l.docs[id], strings.Split(by, "."))
		}
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		if descending {
			a, b = b, a
		}
		return strings.Compare(a.key, b.key)
	})
	docs := make([][]byte, len(all))
	for i, one := range all {
		docs[i] = one.doc
	}
	if l.orders == nil {
		l.orders = map[string][][]byte{}
	}
	l.orders[order] = docs
	return docs
}

func attribute(doc []byte, path []string) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(doc, &members) != nil {
		return ""
	}
	value := members[path[0]]
	if len(path) > 1 {
		return attribute(value, path[1:])
	}
	var text string
	_ = json.Unmarshal(value, &text)
	return text
}
