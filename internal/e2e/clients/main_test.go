package clients

import (
	"testing"

	"latchkey/internal/e2e"
)

func TestMain(m *testing.M) { e2e.Main(m) }
