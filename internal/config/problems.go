package config

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/gate"
)

// Problem is one thing that is wrong with one setting.
type Problem struct {
	// Setting is the name of the setting, with the prefix of its connection.
	Setting string
	// Message says what is wrong and what to do. It holds no secret.
	Message string
	// Origin is the name of the [Origin] of the value; "" if there is none.
	Origin string
	// Row is the name of the setting in the table, without a prefix.
	Row string
}

// Problems is the error of [Load]: everything that is wrong, in the order of [Table].
type Problems struct {
	List []Problem
	// Whole is set if a problem concerns the whole app. Otherwise connections without
	// [Connection.Problems] can be used.
	Whole bool
}

func (p *Problems) Error() string {
	var b strings.Builder
	noun := "settings need"
	if len(p.List) == 1 {
		noun = "setting needs"
	}
	fmt.Fprintf(&b, "%d %s attention:", len(p.List), noun)
	for _, one := range p.List {
		fmt.Fprintf(&b, "\n  %s: %s", one.Setting, one.Message)
	}
	return b.String()
}

// shown renders a value for a message. One as long as a credential may be a secret that was meant for
// another setting, so only its length is shown.
func shown(value string) string {
	if n := utf8.RuneCountInString(value); n >= gate.Shortest {
		return fmt.Sprintf("a text of %d characters", n)
	}
	return fmt.Sprintf("%q", value)
}
