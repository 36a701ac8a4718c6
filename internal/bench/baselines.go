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

// The baselines run in a process of their own, which is this program with baselineCommand.
const (
	baselineCommand  = "baselines"
	baselineDatabase = "LATCHKEY_BENCH_DATABASE"
)

// The paths of the baselines. Each reads the request's body and responds with JSON.
const (
	setPath   = "/set"   // stores the body as the response of the others
	barePath  = "/bare"  // returns the stored body
	tripPath  = "/trip"  // the same after a database query
	pagesPath = "/pages" // returns a number of profiles from the database
)

// connect opens a database with the plain driver.
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

// shownProfile is a profile in a page.
type shownProfile struct {
	ID          string    `json:"id"`
	Username    string    `json:"username"`
	Description string    `json:"description"`
	Location    string    `json:"location"`
	IsOrganizer bool      `json:"isOrganizer"`
	DateJoined  time.Time `json:"dateJoined"`
	UpdatedOn   time.Time `json:"updatedOn"`
}

// baselineServer serves the baselines.
type baselineServer struct {
	pages map[int]*sql.Stmt // by size
	trip  *sql.Stmt
	body  atomic.Pointer[[]byte] // what setPath has set
}

// serveBaselines serves the baselines until the process ends.
func serveBaselines() error {
	db, err := connect(os.Getenv(baselineDatabase))
	if err != nil {
		return err
	}
	s := &baselineServer{pages: map[int]*sql.Stmt{}}
	if err := s.prepare(db); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST "+setPath, responder(s.set))
	mux.Handle("POST "+barePath, responder(s.bare))
	mux.Handle("POST "+tripPath, responder(s.roundTrip))
	mux.Handle("POST "+pagesPath, responder(s.page))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, `{"graphql":"http://%s/graphql"}`+"\n", listener.Addr())
	return (&http.Server{Handler: mux, ErrorLog: log.New(os.Stderr, "", 0)}).Serve(listener)
}

// prepare prepares the statements.
func (s *baselineServer) prepare(db *sql.DB) (err error) {
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

// responder returns the JSON response to a request.
type responder func(r *http.Request, body []byte) (answer []byte, err error)

func (a responder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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

func (s *baselineServer) set(_ *http.Request, body []byte) ([]byte, error) {
	s.body.Store(&body)
	return nil, nil
}

func (s *baselineServer) bare(*http.Request, []byte) ([]byte, error) { return *s.body.Load(), nil }

func (s *baselineServer) roundTrip(r *http.Request, _ []byte) ([]byte, error) {
	var one int
	err := s.trip.QueryRowContext(r.Context()).Scan(&one)
	return *s.body.Load(), err
}

func (s *baselineServer) page(r *http.Request, _ []byte) ([]byte, error) {
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

// baselineClient repeats one request to the server of the baselines.
type baselineClient struct{ request []byte }

func (b baselineClient) next() []byte              { return b.request }
func (baselineClient) took(_ []byte) (bool, error) { return true, nil }

// setBody sets the response of the baselines.
func setBody(p *process, body []byte) error {
	c, err := dial(p.address)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	_, err = c.ask(post(setPath, "", body))
	return err
}

// hashRate returns how many passwords per second all CPUs together hash, by argon2id with the parameters of the OWASP
// Password Storage Cheat Sheet that the server uses.
func hashRate(period time.Duration) float64 {
	cores := runtime.GOMAXPROCS(0)
	counts := make(chan int, cores)
	began := time.Now()
	for range cores {
		go func() {
			n := 0
			for ; time.Since(began) < period; n++ {
				argon2.IDKey([]byte(userPassword), bytes.Repeat([]byte{1}, 16), 2, 19456, 1, 32)
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

// commitRate returns how many sequential updates of one row per second SQLite commits, in a database in folder.
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
