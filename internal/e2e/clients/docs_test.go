package clients

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

// guideBlock is a block of docs/adding-a-field.md that names the file it changes or creates.
var guideBlock = regexp.MustCompile("(?ms)^```(diff|sql) (\\S+)\n(.*?)^```")

// TestAddingAFieldDocs checks that the steps of docs/adding-a-field.md, applied to a copy of the module, add a field
// that works.
func TestAddingAFieldDocs(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	folder := copyModule(t)
	manual, err := os.ReadFile("docs/adding-a-field.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := guideBlock.FindAllStringSubmatch(string(manual), -1)
	if len(blocks) == 0 {
		t.Fatal("the recipe changes nothing")
	}
	for _, block := range blocks {
		path, text := filepath.Join(folder, block[2]), block[3]
		if block[1] == "diff" {
			text = patched(t, path, text)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"generate", "./..."}, {"build", "-o", "latchkey", "."}} {
		command := exec.Command("go", args...)
		command.Dir = folder
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("go %q: %v\n%s", args, err, output)
		}
	}
	p := e2e.StartBinary(t, filepath.Join(folder, "latchkey"), storetest.SQLite(t))
	mario := p.Register("mario")
	mario.Ask(`mutation ($id: ID!) { updateProfile(id: $id, input: {website: "https://example.com"}) {
		profile { website } userErrors { code } } }`, e2e.Vars{"id": mario.ProfileID}).Ok().
		Equals("updateProfile.profile.website", "https://example.com")
	mario.Ask(`{ profiles { nodes { website } } }`, nil).Ok().Equals("profiles.nodes.0.website", "https://example.com")
	mario.Ask(`mutation ($id: ID!, $text: String!) { updateProfile(id: $id, input: {website: $text}) {
		userErrors { code field } } }`, e2e.Vars{"id": mario.ProfileID, "text": strings.Repeat("x", 201)}).
		HasUserErrors("updateProfile", "TOO_LONG@website")
}

// copyModule returns a folder with the files of the module, without what was built or installed.
func copyModule(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name := entry.Name(); name == ".git" || name == "node_modules" || name == "dist" {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(folder, path), 0o700)
		case !entry.Type().IsRegular() || strings.HasPrefix(path, "latchkey"):
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, path), content, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// patched returns the file with the lines of a diff replaced and added. @@ separates the places; each has to be there
// exactly once.
func patched(t *testing.T, path, diff string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := "\n" + string(content)
	for hunk := range strings.SplitSeq(diff, "@@\n") {
		before, after := "\n", "\n"
		for line := range strings.Lines(hunk) {
			if line[0] != '+' {
				before += line[1:]
			}
			if line[0] != '-' {
				after += line[1:]
			}
		}
		if strings.Count(text, before) != 1 {
			t.Fatalf("%s does not have this exactly once:%s", path, before)
		}
		text = strings.Replace(text, before, after, 1)
	}
	return text[1:]
}
