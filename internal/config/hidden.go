package config

import "fmt"

const hidden = "[hidden]"

// Hidden is a text that no printing, logging or encoding shows, because it is a secret or contains one. The zero Hidden
// is empty.
type Hidden struct {
	// A pointer, because fmt calls no method of a value in an unexported field, but does not follow a pointer there.
	value *string
}

func hide(value string) Hidden { return Hidden{&value} }

// Reveal returns the text.
func (h Hidden) Reveal() string {
	if h.value == nil {
		return ""
	}
	return *h.value
}

// Format writes [hidden] for every text and every verb.
func (Hidden) Format(f fmt.State, _ rune) { fmt.Fprint(f, hidden) }

// MarshalText returns [hidden] for every text, in JSON and in logs.
func (Hidden) MarshalText() ([]byte, error) { return []byte(hidden), nil }
