//go:build !cgo

package store

import "errors"

func openSQLite(string, Wrapper) (*database, error) {
	return nil, errors.New("this build has no SQLite, because it was built without cgo: " +
		"install a C compiler (Debian: apt install gcc; macOS: xcode-select --install) and build with CGO_ENABLED=1, " +
		"or set LATCHKEY_DATABASE_URL to a postgres:// address")
}
