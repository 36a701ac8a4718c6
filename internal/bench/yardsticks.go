package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/mattn/go-sqlite3"
	"golang.org/x/crypto/argon2"
)

// The yardsticks are a server of their own, started by the bench.
const (
	yardstickCommand  = "yardsticks"
	yardstickDatabase = "LATCHKEY_BENCH_DATABASE"
)

// The paths of the yardsticks. Each reads the body of a request and answers JSON.
const (
	setPath   = "/set"   // keeps the body, for those that answer it
	barePath  = "/bare"  // answers what is kept
	tripPath  = "/trip"  // goes to the database and back first
	pagesPath = "/pages" // answers so many profiles from the database
)

// connect opens the database of a URL with what the drivers offer, and nothing else.
func connect(url string) (*sql.DB, error) {
	driver := "pgx"
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, url = "sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL&_foreign_keys=on"
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	return db, nil
}

// shownProfile is a profile as pages show it.
type shownProfile struct {
	ID          string    `json:"id"`
	Username    string    `json:"username"`
	Description string    `json:"description"`
	Location    string    `json:"location"`
	IsOrganizer bool      `json:"isOrganizer"`
	DateJoined  time.Time `json:"dateJoined"`
	UpdatedOn   time.Time `json:"updatedOn"`
}

// serveYardsticks answers until the process is told to end.
func serveYardsticks() error {
	url := os.Getenv(yardstickDatabase)
	db, err := connect(url)
	if err != nil {
		return err
	}
	pages := map[int]*sql.Stmt{}
	for _, o := range operations {
		if o.pageSize == 0 {
			continue
		}
		pages[o.pageSize], err = db.Prepare(`SELECT id, username, description, location, is_organizer, date_joined,
			updated_on FROM profiles WHERE id <> '' ORDER BY date_joined, id LIMIT ` + strconv.Itoa(o.pageSize))
		if err != nil {
			return err
		}
	}
	trip, err := db.Prepare(`SELECT 1`)
	if err != nil {
		return err
	}
	var kept atomic.Pointer[[]byte]
	answer := func(w http.ResponseWriter, body []byte) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	}
	mux := http.NewServeMux()
	handle := func(path string, do func(w http.ResponseWriter, r *http.Request, body []byte) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				err = do(w, r, body)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	handle(setPath, func(_ http.ResponseWriter, _ *http.Request, body []byte) error {
		kept.Store(&body)
		return nil
	})
	handle(barePath, func(w http.ResponseWriter, _ *http.Request, _ []byte) error {
		answer(w, *kept.Load())
		return nil
	})
	handle(tripPath, func(w http.ResponseWriter, r *http.Request, _ []byte) error {
		var one int
		if err := trip.QueryRowContext(r.Context()).Scan(&one); err != nil {
			return err
		}
		answer(w, *kept.Load())
		return nil
	})
	handle(pagesPath, func(w http.ResponseWriter, r *http.Request, _ []byte) error {
		size, err := strconv.Atoi(r.URL.RawQuery)
		if err != nil || pages[size] == nil {
			return fmt.Errorf("no page of %q", r.URL.RawQuery)
		}
		profiles, err := readPage(r.Context(), pages[size])
		if err != nil {
			return err
		}
		body, err := json.Marshal(profiles)
		answer(w, body)
		return err
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, `{"graphql":"http://%s/graphql"}`+"\n", listener.Addr())
	return (&http.Server{Handler: mux, ErrorLog: log.New(os.Stderr, "", 0)}).Serve(listener)
}

func readPage(ctx context.Context, page *sql.Stmt) ([]shownProfile, error) {
	rows, err := page.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var profiles []shownProfile
	for rows.Next() {
		var p shownProfile
		var joined, updated int64
		err := rows.Scan(&p.ID, &p.Username, &p.Description, &p.Location, &p.IsOrganizer, &joined, &updated)
		if err != nil {
			return nil, err
		}
		p.DateJoined, p.UpdatedOn = time.UnixMicro(joined).UTC(), time.UnixMicro(updated).UTC()
		profiles = append(profiles, p)
	}
	return profiles, rows.Err()
}

// bystander asks the server of yardsticks.
type bystander struct{ request []byte }

func (b bystander) next() []byte              { return b.request }
func (bystander) took(_ []byte) (bool, error) { return true, nil }

// keep tells the yardsticks what to answer.
func keep(p *process, body []byte) error {
	c, err := dial(p.address)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	_, err = c.ask(post(setPath, "", body))
	return err
}

// hashRate returns how many passwords all processors together hash in a second, by argon2id with the parameters of the
// OWASP Password Storage Cheat Sheet that the server uses.
func hashRate(period time.Duration) float64 {
	cores := runtime.GOMAXPROCS(0)
	counts := make(chan int, cores)
	began := time.Now()
	for range cores {
		go func() {
			n := 0
			for ; time.Since(began) < period; n++ {
				argon2.IDKey([]byte(secretly), bytes.Repeat([]byte{1}, 16), 2, 19456, 1, 32)
			}
			counts <- n
		}()
	}
	total := 0
	for range cores {
		total += <-counts
	}
	return float64(total) / time.Since(began).Seconds()
}

// commitRate returns how often a second SQLite commits the update of a single row, in a folder, one after the other.
func commitRate(ctx context.Context, folder string, period time.Duration) (float64, error) {
	path := filepath.Join(folder, "commits.db")
	db, err := connect("sqlite:" + path)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range []string{
		`CREATE TABLE IF NOT EXISTS counts (id TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT`,
		`INSERT INTO counts VALUES ('one', 0) ON CONFLICT DO NOTHING`,
	} {
		if _, err := db.Exec(statement); err != nil {
			return 0, err
		}
	}
	update, err := db.Prepare(`UPDATE counts SET n = n + 1 WHERE id = ?`)
	if err != nil {
		return 0, err
	}
	n, began := 0, time.Now()
	for ; time.Since(began) < period && ctx.Err() == nil; n++ {
		if _, err := update.Exec("one"); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), ctx.Err()
}
