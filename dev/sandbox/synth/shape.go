package synth

// Shape is a set of oddities of an event, one bit each.
type Shape uint64

// The oddities. Where two contradict each other, the one further down wins.
const (
	ID32Hex         Shape = 1 << iota // id of 32 instead of 64 hex digits
	IDUUID                            // id is a dashed UUID
	SyncedLater                       // synced up to 5 s after created
	SyncedMuchLater                   // synced 11 days after created
	SyncedAbsent                      // no synced
	ActorAbsent                       // no actor
	ActorExtra                        // actor has id and displayName too
	ActorHexName                      // actor.name is a 32-hex id
	ActorOddName                      // actor.name is "unknown", "Not Available" or "Last, First"
	TargetEmpty                       // target is {}
	TargetComposite                   // target.name holds several things: "name : uuid type: GENERAL"
	EmptyStrings                      // ipAddress and details are ""
	FewFields                         // no pod, org, _type, _version; trackingNumber inside attributes
	OtherVersion                      // _version is "v7"
	StackAbsent                       // no stack
	ScopeText                         // attributes.scope is JSON text
	ScopeArray                        // attributes.scope is an array
	JSONInString                      // attributes with a list of objects and a list of strings as text
	BooleanString                     // attributes.manuallyCreated is "true"
	LiteralWords                      // attributes with the words "null", "NONE", "unknown", "source"
	NumberString                      // numbers as strings
	HostName                          // attributes.hostName: digits, an address or a DNS name
	BracedGUID                        // attributes.accountUuid is a GUID in braces
	BigNumber                         // a number above 2^53
	EmptyAttributes                   // attributes is {}
	LongTokens                        // *DeltaToken_before/_after of 33 to 70 KB each
	SpacedNames                       // spaces in technicalName and objects
	GenericAction                     // action is create, update or delete
	UnlistedType                      // a type that is not in the reference table: MACHINE_IDENTITY_CREATED
	OldShape                          // type null, datetime, ipaddr, hostname, source, target as text
	Escapes                           // letters beyond ASCII, \u and \/ escapes
	Whitespace                        // insignificant white space between the tokens
	DuplicateKey                      // status twice, with different values

	// The rest occurs on demand only.

	NoID        // no id
	NullCreated // created is null: no time window finds the event
	InvalidUTF8 // a byte that is not UTF-8
	Huge        // about 1.5 MB
	Poison      // attributes.info is [PoisonText]
)

// PoisonText is in an event of shape [Poison], for a stand-in that wants to
// refuse one record of a batch.
const PoisonText = "synthetic poison record"

// Frequency states that one of OneIn events has the shape.
type Frequency struct {
	Shape Shape
	OneIn uint64 // a power of two
}

// Frequencies returns how often each shape occurs without being asked for.
// Besides these, [Options.Ties] events in a row share one millisecond.
func Frequencies() []Frequency {
	return []Frequency{
		{ID32Hex, 16},
		{IDUUID, 16},
		{SyncedLater, 4},
		{SyncedMuchLater, 512},
		{SyncedAbsent, 128},
		{ActorAbsent, 32},
		{ActorExtra, 8},
		{ActorHexName, 32},
		{ActorOddName, 32},
		{TargetEmpty, 64},
		{TargetComposite, 64},
		{EmptyStrings, 16},
		{FewFields, 8},
		{OtherVersion, 64},
		{StackAbsent, 4},
		{ScopeText, 64},
		{ScopeArray, 64},
		{JSONInString, 64},
		{BooleanString, 32},
		{LiteralWords, 32},
		{NumberString, 16},
		{HostName, 16},
		{BracedGUID, 8},
		{BigNumber, 512},
		{EmptyAttributes, 64},
		{LongTokens, 4096},
		{SpacedNames, 64},
		{GenericAction, 32},
		{UnlistedType, 128},
		{OldShape, 512},
		{Escapes, 32},
		{Whitespace, 256},
		{DuplicateKey, 1024},
	}
}

// Has says whether the set has any of the shapes in other.
func (s Shape) Has(other Shape) bool { return s&other != 0 }

// draw throws the dice for every shape.
func draw(d dice, frequencies []Frequency) Shape {
	var s Shape
	for _, f := range frequencies {
		if d.roll()&(f.OneIn-1) == 0 {
			s |= f.Shape
		}
	}
	return s
}
