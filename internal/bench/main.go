// Command bench tells what a request costs: it starts the real program on SQLite and on PostgreSQL, asks it what clients
// ask, and compares it with yardsticks of the same machine in the same minutes. It takes some minutes; the table goes to
// the standard output, what is going on to the standard error.
//
//	go run ./internal/bench
//
// What is compared is the processor time of the server's process for each request: it means the same on a busy machine,
// where requests per second do not. How the figures are to be read is in docs/performance.md.
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

// options are what the command line says.
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
	if len(os.Args) == 2 && os.Args[1] == yardstickCommand {
		exit(serveYardsticks())
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
	return errors.Join(err, write(report, o.json)) // also what was measured before something failed
}

// measureOn adds what an engine costs to the report, on PostgreSQL on a server that it starts unless there is one.
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

// say tells what is going on.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
