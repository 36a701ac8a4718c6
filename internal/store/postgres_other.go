//go:build !unix

package store

import "net"

// hasPendingData would report whether there is something to read on an idle connection.
func hasPendingData(net.Conn) bool { return false }
