// Command bench measures what a request costs. It starts the real program on SQLite and on PostgreSQL, sends typical
// client requests, and compares the costs with baselines measured on the same machine in the same minutes. It takes
// some minutes. The table is written to standard output, progress to standard error.
//
//	go run ./internal/bench
//
// It compares the CPU time of the server process per request, which is comparable on a busy machine; requests per
// second are not. docs/performance.md describes the figures.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"latchkey/internal/store/storetest"
)

// options are the parsed flags.
type options struct {
	users       int
	period      time.Duration
	rounds      int
	connections []int
	engines     []string
	postgres    string
	only        string
	program     string
	profile     string
	json        bool
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == baselineCommand {
		exit(serveBaselines())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if err != nil {
		os.Exit(2)
	}
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.users, "users", 10_000, "number of `users` in the database, each with a profile; at least 1,000")
	flags.DurationVar(&o.period, "period", time.Second, "duration of one measurement")
	flags.IntVar(&o.rounds, "rounds", 3, "number of rounds, each with the server and the baselines")
	connections := flags.String("connections", "1,16,64", "numbers of concurrent connections, separated by commas")
	engines := flags.String("engines", "sqlite,postgres", "database engines, separated by commas")
	flags.StringVar(&o.postgres, "postgres", "", "`URL` of an empty PostgreSQL database; by default a server is started")
	flags.StringVar(&o.only, "only", "", "measure only operations whose name contains this")
	flags.StringVar(&o.program, "program", "", "the latchkey binary to measure; by default it is built from this folder")
	flags.StringVar(&o.profile, "profile", "", "`folder` for CPU profiles of the server, one for each operation")
	flags.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.engines = strings.Split(*engines, ",")
	for _, text := range strings.Split(*connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			err = errors.New("-connections: numbers above 0, separated by commas")
			fmt.Fprintln(os.Stderr, err)
			return o, err
		}
		o.connections = append(o.connections, n)
	}
	return o, nil
}

func run(ctx context.Context, o options) (err error) {
	folder, err := os.MkdirTemp("", "latchkey-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if o.program == "" {
		o.program = filepath.Join(folder, "latchkey")
		if err := build(ctx, o.program); err != nil {
			return err
		}
	}
	report := newReport(o)
	for _, engine := range o.engines {
		if err = measureOn(ctx, o, folder, engine, report); err != nil {
			err = fmt.Errorf("%s: %w", engine, err)
			break
		}
	}
	return errors.Join(err, write(report, o.json)) // with what was measured before a failure
}

// measureOn adds the figures of an engine to the report. It starts a PostgreSQL server unless o.postgres is set.
func measureOn(ctx context.Context, o options, folder, engine string, report *report) error {
	url := "sqlite:" + filepath.Join(folder, "bench.db")
	if engine == "postgres" {
		if url = o.postgres; url == "" {
			server, err := storetest.Durable()
			if err != nil {
				return err
			}
			defer server.Close()
			url = server.URL
		}
	}
	return measure(ctx, o, folder, engine, url, report)
}

func write(report *report, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	return report.print(os.Stdout)
}

// progress writes a line to standard error.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
