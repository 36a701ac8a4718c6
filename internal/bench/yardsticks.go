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

// yardstickServer answers what a request costs without Latchkey.
type yardstickServer struct {
	pages map[int]*sql.Stmt // by their size
	trip  *sql.Stmt
	body  atomic.Pointer[[]byte] // what setPath has set
}

// serveYardsticks answers requests until the process ends.
func serveYardsticks() error {
	db, err := connect(os.Getenv(yardstickDatabase))
	if err != nil {
		return err
	}
	s := &yardstickServer{pages: map[int]*sql.Stmt{}}
	if err := s.prepare(db); err != nil {
		return err
	}
	mux := http.NewServeMux()
	for path, answer := range map[string]answerer{setPath: s.set, barePath: s.bare, tripPath: s.roundTrip, pagesPath: s.page} {
		mux.Handle("POST "+path, answer)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, `{"graphql":"http://%s/graphql"}`+"\n", listener.Addr())
	return (&http.Server{Handler: mux, ErrorLog: log.New(os.Stderr, "", 0)}).Serve(listener)
}

// prepare prepares the statements.
func (s *yardstickServer) prepare(db *sql.DB) (err error) {
	for _, o := range operations {
		if o.pageSize == 0 {
			continue
		}
		s.pages[o.pageSize], err = db.Prepare(`SELECT id, username, description, location, is_organizer, date_joined,
			updated_on FROM profiles WHERE id <> '' ORDER BY date_joined, id LIMIT ` + strconv.Itoa(o.pageSize))
		if err != nil {
			return err
		}
	}
	s.trip, err = db.Prepare(`SELECT 1`)
	return err
}

// answerer returns the JSON that answers a request with a body.
type answerer func(r *http.Request, body []byte) (answer []byte, err error)

func (a answerer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		body, err = a(r, body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

func (s *yardstickServer) set(_ *http.Request, body []byte) ([]byte, error) {
	s.body.Store(&body)
	return nil, nil
}

func (s *yardstickServer) bare(*http.Request, []byte) ([]byte, error) { return *s.body.Load(), nil }

func (s *yardstickServer) roundTrip(r *http.Request, _ []byte) ([]byte, error) {
	var one int
	err := s.trip.QueryRowContext(r.Context()).Scan(&one)
	return *s.body.Load(), err
}

func (s *yardstickServer) page(r *http.Request, _ []byte) ([]byte, error) {
	size, err := strconv.Atoi(r.URL.RawQuery)
	if err != nil || s.pages[size] == nil {
		return nil, fmt.Errorf("no page of %q", r.URL.RawQuery)
	}
	profiles, err := readPage(r.Context(), s.pages[size])
	if err != nil {
		return nil, err
	}
	return json.Marshal(profiles)
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
