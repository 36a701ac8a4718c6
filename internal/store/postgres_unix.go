//go:build unix

package store

import (
	"crypto/tls"
	"net"
	"syscall"
)

// hasPendingData reports whether there is something to read, such as the end, on an idle connection. It does not wait
// and consumes nothing.
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
	// Not Read, which would wait for a Read of the driver.
	err = raw.Control(func(fd uintptr) {
		_, _, peeked = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
	})
	return err != nil || peeked != syscall.EAGAIN
}
