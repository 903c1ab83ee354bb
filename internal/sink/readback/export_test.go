package readback

// What the tests look at from outside.
var (
	Normal  = normal
	PerList = perList
	Decode  = decode
)
