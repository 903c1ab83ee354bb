package synth

import (
	"slices"
	"strconv"
	"time"
)

// Sizes of the long shapes, in bytes.
const (
	hugeBytes  = 1_500_000
	tokenBytes = 33_000 // and up to tokenSpread more
	tokenRange = 37_000
	// tailBytes is about what comes behind the attributes.
	tailBytes = 150
)

// appendEvent appends event i with the shapes s; resync, if not zero, is how long
// after created it was indexed.
func (g *Generator) appendEvent(dst []byte, i int, s Shape, resync time.Duration) []byte {
	e := encoder{g: g, dst: dst, begin: len(dst), s: s, d: newDice(g.seed, i, saltBody)}
	e.size = g.bytes/2 + e.d.n(g.bytes+1)
	e.kind = &g.kinds[e.d.n(len(g.kinds))]
	if s.Has(Whitespace) {
		e.comma, e.colon = ",\n  ", ": "
	} else {
		e.comma, e.colon = ",", ":"
	}
	e.dst = append(e.dst, '{')
	if !s.Has(NoID) {
		e.key("id")
		e.quoted(func(b []byte) []byte { return g.appendID(b, i, s) })
	}
	e.times(g.CreatedMilli(i), resync.Milliseconds())
	e.names()
	e.parties()
	e.attributes()
	e.tail()
	return append(e.dst, '}')
}

// encoder writes one event. It lives on the stack.
type encoder struct {
	g            *Generator
	dst          []byte
	begin, size  int
	s            Shape
	d            dice
	kind         *kind
	comma, colon string
}

// key begins a member of an object.
func (e *encoder) key(name string) {
	if e.dst[len(e.dst)-1] != '{' {
		e.dst = append(e.dst, e.comma...)
	}
	e.dst = append(e.dst, '"')
	e.dst = append(e.dst, name...)
	e.dst = append(e.dst, '"')
	e.dst = append(e.dst, e.colon...)
}

// raw writes a member whose value is JSON already.
func (e *encoder) raw(name, value string) {
	e.key(name)
	e.dst = append(e.dst, value...)
}

// text writes a member whose value needs no escapes.
func (e *encoder) text(name, value string) {
	e.key(name)
	e.dst = append(append(append(e.dst, '"'), value...), '"')
}

// quoted writes what value appends between quotes.
func (e *encoder) quoted(value func([]byte) []byte) {
	e.dst = append(value(append(e.dst, '"')), '"')
}

// hex writes a member of 32 random hex digits.
func (e *encoder) hex(name string) {
	e.key(name)
	e.dst = append(e.d.appendHex(append(e.dst, '"'), 32), '"')
}

// number writes a member whose value is a number, in quotes if the event has
// that shape.
func (e *encoder) number(name string, n int64) {
	e.key(name)
	if e.s.Has(NumberString) {
		e.dst = append(strconv.AppendInt(append(e.dst, '"'), n, 10), '"')
		return
	}
	e.dst = strconv.AppendInt(e.dst, n, 10)
}

func (e *encoder) person() string { return e.g.people[e.d.n(len(e.g.people))] }

// times writes created, synced and their old forms.
func (e *encoder) times(created, resync int64) {
	if e.s.Has(NullCreated) {
		e.raw("created", "null")
	} else {
		e.key("created")
		e.dst = append(appendTime(append(e.dst, '"'), created), '"')
	}
	if e.s.Has(OldShape) {
		e.key("datetime")
		e.dst = append(e.dst, '"')
		e.dst = time.UnixMilli(created).UTC().AppendFormat(e.dst, time.DateTime)
		e.dst = append(e.dst, '"')
		return
	}
	synced := created
	switch {
	case resync != 0:
		synced += resync
	case e.s.Has(SyncedAbsent):
		return
	case e.s.Has(SyncedMuchLater):
		synced += 11 * 24 * time.Hour.Milliseconds()
	case e.s.Has(SyncedLater):
		synced += 1 + int64(e.d.n(5000))
	}
	e.key("synced")
	e.dst = append(appendTime(append(e.dst, '"'), synced), '"')
}

// names writes what kind of event it is.
func (e *encoder) names() {
	k := e.kind
	typ, technical, object, action := k.typ, k.technical, k.object, k.action
	if e.s.Has(SpacedNames) {
		technical, object = k.spacedTechnical, k.spacedObject
	}
	if e.s.Has(GenericAction) {
		action = k.generic
	}
	if e.s.Has(UnlistedType) {
		typ = k.unlisted
	}
	if e.s.Has(OldShape) {
		typ = "null"
	}
	if !e.s.Has(StackAbsent) {
		stacks := [...]string{"tpe", "wps", "pigs", "oathkeeper", "sweep", "CC"}
		e.text("stack", stacks[e.d.n(len(stacks))])
	}
	e.raw("type", typ)
	e.raw("name", k.name)
	e.raw("action", action)
	e.raw("technicalName", technical)
	e.key("objects")
	e.dst = append(append(append(e.dst, '['), object...), ']')
	e.raw("operation", k.operation)
	e.raw("status", k.status)
}

// parties writes who did it, to whom, and from where.
func (e *encoder) parties() {
	if e.s.Has(OldShape) {
		e.text("target", e.person())
		e.text("source", "Synthetic HR")
		e.text("hostname", "198.51.100.7")
		e.text("ipaddr", "198.51.100.7")
	} else {
		e.target()
	}
	e.actor()
	if e.s.Has(EmptyStrings) {
		e.text("ipAddress", "")
		e.text("details", "")
		return
	}
	e.key("ipAddress")
	e.quoted(e.appendAddress)
	e.hex("details")
}

func (e *encoder) actor() {
	if e.s.Has(ActorAbsent) {
		return
	}
	e.key("actor")
	e.dst = append(e.dst, '{')
	if e.s.Has(ActorExtra) {
		e.hex("id")
		e.text("displayName", e.person())
	}
	switch {
	case e.s.Has(ActorOddName):
		odd := [...]string{"unknown", "Not Available", "Fontaine, Ada"}
		e.text("name", odd[e.d.n(len(odd))])
	case e.s.Has(ActorHexName):
		e.hex("name")
	case e.s.Has(Escapes):
		escaped := [...]string{`Zoë Ångström`, `Jos\u00e9 N\u00fa\u00f1ez`, `林 小雨`, `O'Brien \"Bo\"`, `CORP\\ada`, `\ud83d\ude80 rocket`, `a\/b`, `tab\there`}
		e.text("name", escaped[e.d.n(len(escaped))])
	default:
		e.text("name", e.person())
	}
	e.dst = append(e.dst, '}')
}

func (e *encoder) target() {
	e.key("target")
	e.dst = append(e.dst, '{')
	switch {
	case e.s.Has(TargetEmpty):
	case e.s.Has(TargetComposite) && e.d.n(2) == 0:
		e.key("name")
		e.dst = append(e.dst, `"Joiner policy : `...)
		e.dst = e.d.appendUUID(e.dst, uint32(e.d.roll()))
		e.dst = append(e.dst, ` type: GENERAL"`...)
	case e.s.Has(TargetComposite):
		e.key("name")
		e.dst = append(e.dst, `"AWS SSO [source-`...)
		e.dst = strconv.AppendInt(e.dst, int64(10_000+e.d.n(90_000)), 10)
		e.dst = append(e.dst, `]"`...)
	default:
		e.text("name", e.person())
	}
	e.dst = append(e.dst, '}')
}

// appendAddress appends an address of a block reserved for documentation.
func (e *encoder) appendAddress(dst []byte) []byte {
	dst = append(dst, "203.0.113."...)
	return strconv.AppendInt(dst, int64(e.d.n(256)), 10)
}

// tail writes the members behind the attributes.
func (e *encoder) tail() {
	if e.s.Has(DuplicateKey) {
		e.text("status", "FAILED")
	}
	if e.s.Has(InvalidUTF8) {
		e.text("comment", "broken \xff byte")
	}
	if e.s.Has(FewFields) {
		return
	}
	e.hex("trackingNumber")
	e.text("org", e.g.org)
	e.text("pod", "synthetic-pod")
	e.text("_type", "event")
	if e.s.Has(OtherVersion) {
		e.text("_version", "v7")
	} else {
		e.text("_version", "v2")
	}
}

// pad fills the attributes up to the event's size, in several members as real
// ones are.
func (e *encoder) pad() {
	rest := e.size - (len(e.dst) - e.begin) - tailBytes
	names := [...]string{
		"description", "info", "errors", "modified_before", "modified_after", "matchAllAccounts_before",
		"matchAllAccounts_after", "accessProfiles_before", "accessProfiles_after", "segment", "capability", "attributeValue",
	}
	piece := max(400, rest/len(names))
	for _, name := range names {
		if rest < 24 {
			return
		}
		n := max(1, min(piece, rest-len(name)-6))
		e.key(name)
		e.quoted(func(b []byte) []byte { return e.appendProse(b, n) })
		rest -= n + len(name) + 6
	}
}

// appendProse appends n bytes of text.
func (e *encoder) appendProse(dst []byte, n int) []byte {
	dst = slices.Grow(dst, n)
	for n > 0 {
		from := e.d.n(len(e.g.prose) / 2)
		piece := e.g.prose[from:min(len(e.g.prose), from+n)]
		dst = append(dst, piece...)
		n -= len(piece)
	}
	return dst
}
