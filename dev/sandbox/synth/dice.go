package synth

// dice is a splitmix64 generator. It is a plain value: one for each event and
// purpose costs nothing, and the draws of one event can't disturb another's.
type dice uint64

// The purposes that have draws of their own, so that an id can be told without
// making the event.
const (
	saltShape = iota + 1
	saltID
	saltBody
	saltInvocation
	_ // the subscriptions of invocations
	saltPayload
)

const golden = 0x9e3779b97f4a7c15

func newDice(seed int64, i int, salt uint64) dice {
	// Two rounds of mixing: after one, the dice of neighbours would be the same
	// sequence, shifted.
	return dice(mix(mix(mix(uint64(seed)+golden)^salt*golden) + uint64(i)*golden))
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// roll returns 64 random bits.
func (d *dice) roll() uint64 {
	*d += golden
	return mix(uint64(*d))
}

// n returns a number in [0,n).
func (d *dice) n(n int) int { return int(d.roll() % uint64(n)) }

const hexDigits = "0123456789abcdef"

// appendHex appends digits random hex digits.
func (d *dice) appendHex(dst []byte, digits int) []byte {
	for digits > 0 {
		x := d.roll()
		for range min(digits, 16) {
			dst = append(dst, hexDigits[x&15])
			x >>= 4
		}
		digits -= 16
	}
	return dst
}

// appendHexWord appends the eight hex digits of x.
func appendHexWord(dst []byte, x uint32) []byte {
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[x>>shift&15])
	}
	return dst
}

// appendUUID appends a dashed UUID (version 4) that begins with the word first.
func (d *dice) appendUUID(dst []byte, first uint32) []byte {
	dst = append(appendHexWord(dst, first), '-')
	dst = append(d.appendHex(dst, 4), "-4"...)
	dst = append(d.appendHex(dst, 3), "-a"...)
	dst = append(d.appendHex(dst, 3), '-')
	return d.appendHex(dst, 12)
}
