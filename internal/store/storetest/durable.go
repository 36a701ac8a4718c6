package storetest

import (
	"io"
	"net/url"
)

// Database is a PostgreSQL server of a program's own. Closing it removes it.
type Database struct {
	URL string
	io.Closer
}

// Durable starts a server that writes to the disk what it acknowledges, as one in operation does. Its directory lets in
// nobody else, so it asks for no password.
func Durable() (*Database, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir := newFolder("durable")
	lifeline, err := supervise(dir, makeCluster, "BIN="+bin, "MORE="+`
		listen_addresses = ''
		port = `+port+`
		shared_buffers = 128MB
		full_page_writes = on
		fsync = on`)
	if err != nil {
		return nil, err
	}
	return &Database{socketURL(dir), lifeline}, nil
}

// socketURL names the server whose socket is in a directory.
func socketURL(dir string) string {
	query := url.Values{"host": {dir}, "port": {port}}.Encode()
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/postgres", RawQuery: query}
	return u.String()
}
