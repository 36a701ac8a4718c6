package e2e_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "latchkey"

// layers lists all packages of the program, from the lowest layer. A package imports packages of lower layers only, and
// none of its own layer.
var layers = []struct {
	packages, reason string
}{
	{"internal/page", "pages and cursors are the same for every type"},
	{"internal/account", "domain types do not depend on their use"},
	{"internal/audit internal/config internal/gqlhttp internal/metrics internal/middleware internal/password " +
		"internal/token internal/trace graph/explorer", "each has one purpose, and needs domain types at most"},
	{"internal/store", "persistence does not depend on use cases"},
	{"internal/store/transfer internal/keyring internal/ratelimit internal/outbox",
		"each is a service on the database that any use case can have"},
	{"internal/auth internal/mail graph/generated", "use cases do not depend on the API, nor emails on use cases"},
	{"graph", "the API calls use cases, and not the process"},
	{"internal/server", "the server does not depend on the command line"},
	{"internal/cli", "commands do not depend on the main package"},
	{".", "nothing imports the main package"},
}

// forbidden lists imports that packages must not have in any layer. The packages are those whose paths have the prefix,
// without the exception.
var forbidden = []struct {
	prefix, except, imports, reason string
}{
	{"", "internal/store", "github.com/jmoiron/sqlx", "all SQL is in the store"},
	{"internal/", "internal/gqlhttp", "github.com/99designs/gqlgen", "only the API and its transport depend on GraphQL"},
	{"internal/auth", "", "net/http database/sql", "use cases contain no HTTP and no SQL"},
	{"internal/store", "", "net/http", "persistence contains no HTTP"},
	{"internal/account", "", "net/http database/sql", "domain types contain no HTTP and no SQL"},
}

type listed struct {
	ImportPath, Name                                            string
	Imports, GoFiles, IgnoredGoFiles, TestGoFiles, XTestGoFiles []string
}

// program returns the packages of the module by their paths in it, except those for tests and benchmarks.
func program(t *testing.T) map[string]listed {
	t.Helper()
	fields := "-json=ImportPath,Name,Imports,GoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles"
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

// TestImportsFollowLayers checks that each package is in a layer, and imports packages of lower layers only.
func TestImportsFollowLayers(t *testing.T) {
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
			t.Errorf("%s is in no layer", path)
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

// TestImportsForbidden checks that no package has a forbidden import.
func TestImportsForbidden(t *testing.T) {
	for path, p := range program(t) {
		for _, rule := range forbidden {
			if !strings.HasPrefix(path, rule.prefix) || rule.except != "" && strings.HasPrefix(path, rule.except) {
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

// TestImportsOfDependencies checks that one package imports each dependency. The generated code and the transport count
// as part of the API.
func TestImportsOfDependencies(t *testing.T) {
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

// TestPackageMainFiles checks that the root of the module has no Go file but server.go and tools.go, and no test.
func TestPackageMainFiles(t *testing.T) {
	root := program(t)["."]
	if !slices.Equal(root.GoFiles, []string{"server.go"}) || !slices.Equal(root.IgnoredGoFiles, []string{"tools.go"}) ||
		len(root.TestGoFiles)+len(root.XTestGoFiles) > 0 {
		t.Errorf("the root has %v %v %v %v", root.GoFiles, root.IgnoredGoFiles, root.TestGoFiles, root.XTestGoFiles)
	}
}

// TestPackageNames checks that packages are named after what they hold.
func TestPackageNames(t *testing.T) {
	for path, p := range program(t) {
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "types", "pkg", "misc"}, p.Name) {
			t.Errorf("the name of %s does not say what it holds", path)
		}
	}
}
