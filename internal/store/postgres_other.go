//go:build !unix

package store

import "net"

// stirs would tell whether there is something to read on a connection on which nothing was asked.
func stirs(net.Conn) bool { return false }
