package operations

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/config"
)

var settingForm = regexp.MustCompile(`\bLATCHKEY_[A-Z]+(?:_[A-Z]+)*\b`)

// TestDocumentedSettingsExist checks that documents and packaging name existing settings only.
func TestDocumentedSettingsExist(t *testing.T) {
	known := config.Flags()
	for _, path := range []string{"README.md", "docs/operations.md", "Dockerfile", "packaging/latchkey.service",
		"packaging/compose.yaml", "packaging/kubernetes.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range settingForm.FindAllString(string(text), -1) {
			flag := "--" + strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "LATCHKEY_"), "_", "-"))
			if !slices.Contains(known, flag) {
				t.Errorf("%s speaks of %s", path, name)
			}
		}
	}
}
