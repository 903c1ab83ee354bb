package sim

import (
	"hash/fnv"
	"io"
	"time"
)

// dice gives random numbers that have a name and a number: each depends on
// these and on the seed alone, so that one decision more or less does not
// change the others. That is what makes shrinking work.
type dice uint64

// roll returns the n-th of 64 random bits called name.
func (d dice) roll(name string, n int64) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name)
	x := h.Sum64() ^ uint64(d)*0x9e3779b97f4a7c15 ^ uint64(n)*0xd1342543de82ef95
	for range 2 { // splitmix64's finalizer
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
	}
	return x
}

// chance is true with probability p.
func (d dice) chance(name string, n int64, p float64) bool {
	return float64(d.roll(name, n)>>11)/(1<<53) < p
}

// pick returns a number in [0, size).
func (d dice) pick(name string, n int64, size int) int {
	return int(d.roll(name, n) % uint64(size))
}

// span returns a duration in [lo, hi), to the nanosecond.
func (d dice) span(name string, n int64, lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(d.roll(name, n)%uint64(hi-lo))
}
