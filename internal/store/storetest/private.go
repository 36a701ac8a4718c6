package storetest

import (
	"io"
	"net/url"
)

// Private is a PostgreSQL server of a program's own. Closing it removes it.
type Private struct {
	URL string
	io.Closer
}

// Durable starts a server that writes to the disk what it acknowledges, as one in operation does.
func Durable() (*Private, error) {
	return private("durable", `shared_buffers = 128MB
		full_page_writes = on
		fsync = on`)
}

// private starts a server with more settings than usual. Its directory lets in nobody else, so it asks for no password.
func private(what, settings string) (*Private, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir := newFolder(what)
	lifeline, err := supervise(dir, makeCluster, "BIN="+bin, "MORE="+`
		listen_addresses = ''
		port = `+port+`
		`+settings)
	if err != nil {
		return nil, err
	}
	query := url.Values{"host": {dir}, "port": {port}}.Encode()
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/postgres", RawQuery: query}
	return &Private{u.String(), lifeline}, nil
}
