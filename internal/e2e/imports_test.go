package e2e_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "latchkey"

// layers are all packages of the program, from the lowest. A package imports packages of lower layers only, so those of
// one layer know nothing of each other.
var layers = []struct {
	packages, reason string
}{
	{"internal/page", "pages are pages of anything"},
	{"internal/account", "domain types depend on no use of them"},
	{"internal/audit internal/config internal/gqlhttp internal/metrics internal/middleware internal/password " +
		"internal/token internal/trace graph/explorer", "each does one thing for any program, in terms of the domain at most"},
	{"internal/store", "what is stored does not depend on who stores it"},
	{"internal/store/transfer internal/keyring internal/ratelimit internal/outbox",
		"each is a service on the database, whatever the use cases are"},
	{"internal/auth internal/mail graph/generated", "use cases are the same for every API, and emails for every use case"},
	{"graph", "the API calls use cases, and decides nothing that they decide"},
	{"internal/server", "the process connects what the settings name"},
	{"internal/cli", "commands start the process or call use cases"},
	{".", "the program is the command line with its schema and signals"},
}

// backgroundInterval are imports that a package must not have, whatever its layer. The packages are those that begin with the text.
var backgroundInterval = []struct {
	packages, except, imports, reason string
}{
	{"", "internal/store", "github.com/jmoiron/sqlx", "all SQL is in the store"},
	{"internal/", "internal/gqlhttp", "github.com/99designs/gqlgen", "only the API knows that it is GraphQL"},
	{"internal/auth", "", "net/http database/sql", "use cases are neither requests nor statements"},
	{"internal/store", "", "net/http", "a database is no server of HTTP"},
	{"internal/account", "", "net/http database/sql", "domain types are only types"},
}

type listed struct {
	ImportPath, Name      string
	Imports, TestGoFiles  []string
	GoFiles, XTestGoFiles []string
}

// program returns the packages of the module, but those for tests and benchmarks, by their paths inside it.
func program(t *testing.T) map[string]listed {
	t.Helper()
	fields := "-json=ImportPath,Name,Imports,GoFiles,TestGoFiles,XTestGoFiles"
	listing, err := exec.Command("go", "list", fields, module+"/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]listed{}
	for decoder := json.NewDecoder(strings.NewReader(string(listing))); decoder.More(); {
		var p listed
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if path == "" {
			path = "."
		}
		if path != "internal/store/storetest" && path != "internal/bench" && !strings.HasPrefix(path, "internal/e2e") {
			packages[path] = p
		}
	}
	return packages
}

// TestImportsPointDownwards holds each package to the layers, and every package to a place in them.
func TestImportsPointDownwards(t *testing.T) {
	packages := program(t)
	layerOf := map[string]int{}
	for i, layer := range layers {
		for _, path := range strings.Fields(layer.packages) {
			layerOf[path] = i
			if _, exists := packages[path]; !exists {
				t.Errorf("there is no package %s", path)
			}
		}
	}
	for path, p := range packages {
		layer, known := layerOf[path]
		if !known {
			t.Errorf("%s has no place in the layers", path)
			continue
		}
		for _, imported := range p.Imports {
			ours, ok := strings.CutPrefix(imported, module+"/")
			if !ok {
				continue
			}
			if at, known := layerOf[ours]; !known || at >= layer {
				t.Errorf("%s imports %s, but %s", path, ours, layers[layer].reason)
			}
		}
	}
}

// TestImportsThatMustNotBe holds packages to what they must never import.
func TestImportsThatMustNotBe(t *testing.T) {
	for path, p := range program(t) {
		for _, rule := range backgroundInterval {
			if !strings.HasPrefix(path, rule.packages) || rule.except != "" && strings.HasPrefix(path, rule.except) {
				continue
			}
			for _, imported := range p.Imports {
				if slices.ContainsFunc(strings.Fields(rule.imports), func(path string) bool {
					return imported == path || strings.HasPrefix(imported, path+"/")
				}) {
					t.Errorf("%s imports %s, but %s", path, imported, rule.reason)
				}
			}
		}
	}
}

// TestDependenciesHaveOneImporter holds each dependency to one package. Generated code belongs to the package that it is
// generated for, and GraphQL to the API and its transport together.
func TestDependenciesHaveOneImporter(t *testing.T) {
	owner := strings.NewReplacer("graph/generated", "graph", "internal/gqlhttp", "graph")
	importer := map[string]string{}
	for path, p := range program(t) {
		path = owner.Replace(path)
		for _, imported := range p.Imports {
			parts := strings.Split(imported, "/")
			if !strings.Contains(parts[0], ".") {
				continue
			}
			dependency := strings.Join(parts[:min(3, len(parts))], "/")
			if other := importer[dependency]; other != "" && other != path {
				t.Errorf("%s is imported by %s and by %s", dependency, other, path)
			}
			importer[dependency] = path
		}
	}
}

// TestRoot holds the root of the module to two files, without tests.
func TestRoot(t *testing.T) {
	root := program(t)["."]
	if !slices.Equal(root.GoFiles, []string{"server.go"}) || len(root.TestGoFiles)+len(root.XTestGoFiles) > 0 {
		t.Errorf("the root has %v %v %v", root.GoFiles, root.TestGoFiles, root.XTestGoFiles)
	}
	drawers := []string{"util", "utils", "common", "helpers", "types", "pkg"}
	for path, p := range program(t) {
		if slices.Contains(drawers, p.Name) {
			t.Errorf("%s is named after nothing that it holds", path)
		}
	}
}
