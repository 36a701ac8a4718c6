//go:build unix

package store

import (
	"crypto/tls"
	"net"
	"syscall"
)

// hasPendingData reports whether there is something to read on a connection on which nothing was asked, such as its end. It does
// not wait, and leaves it there.
func hasPendingData(c net.Conn) bool {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	socket, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	var peeked error
	// Not Read, which would wait for its turn behind the driver's own reader, if that is at work.
	err = raw.Control(func(fd uintptr) {
		_, _, peeked = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
	})
	return err != nil || peeked != syscall.EAGAIN
}
