//go:build !unix

package store

import "net"

// hasPendingData would tell whether there is something to read on a connection on which nothing was asked.
func hasPendingData(net.Conn) bool { return false }
