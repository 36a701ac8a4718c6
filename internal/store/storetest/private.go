package storetest

import (
	"io"
	"net/url"
)

// Private is a temporary PostgreSQL server. Close removes it.
type Private struct {
	URL string
	io.Closer
}

// Durable starts a server that writes commits to the disk before it acknowledges them, as in production.
func Durable() (*Private, error) {
	return private("durable", `shared_buffers = 128MB
		full_page_writes = on
		fsync = on`)
}

// private starts a server with additional settings. Other users cannot read its directory, so it needs no password.
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
