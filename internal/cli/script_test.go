package cli

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// schemaFile is the variable with the path of the GraphQL schema, which the root of the module embeds.
const schemaFile = "SCHEMA_FILE"

// TestMain runs the tests, or the program when a script runs latchkey.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"latchkey": latchkey})
}

func latchkey() {
	schema, err := os.ReadFile(os.Getenv(schemaFile))
	if err != nil {
		panic(err)
	}
	os.Exit(Main(context.Background(), Program{
		Args:   os.Args[1:],
		Env:    os.Environ(),
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Now:    time.Now,
		Schema: string(schema),
	}))
}

var update = flag.Bool("update", false, "rewrite the outputs in the scripts")

// TestScripts runs each script in a folder of its own, without a server. Where a script shows the whole output of a
// command, go test -update rewrites it.
func TestScripts(t *testing.T) {
	path, err := filepath.Abs("../../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               func(env *testscript.Env) error { env.Setenv(schemaFile, path); return nil },
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// exits runs a command that must exit with the given code, as in "exits 2 latchkey bogus".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	failed, ok := errors.AsType[*exec.ExitError](err)
	if !ok || strconv.Itoa(failed.ExitCode()) != args[0] {
		ts.Fatalf("want exit code %s, have %v", args[0], err)
	}
}
