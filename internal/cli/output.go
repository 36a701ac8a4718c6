package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// table prints rows in columns, the first one being their names.
func (p *Program) table(rows [][]string) error {
	w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Map(stripBidi, strings.Join(row, "\t")))
	}
	return w.Flush()
}

// stripBidi replaces characters that would reverse the direction of text on a terminal.
func stripBidi(r rune) rune {
	if unicode.Is(unicode.Bidi_Control, r) {
		return unicode.ReplacementChar
	}
	return r
}

// json prints a value for scripts.
func (p *Program) json(value any) error {
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// printf prints to the standard output.
func (p *Program) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(p.Stdout, format, args...)
	return err
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func orDash(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}

// count returns a number with its noun, as in "1 user" or "2 users".
func count[T int | int64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
