package sessions

import (
	"flag"
	"testing"

	"latchkey/internal/e2e"
)

func TestMain(m *testing.M) {
	flag.Set("rapid.checks", "6") // each is a life of many requests; the command line can ask for more
	e2e.Main(m)
}
