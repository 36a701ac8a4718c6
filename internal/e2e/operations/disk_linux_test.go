package operations

import (
	"syscall"
	"testing"
	"unsafe"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

// TestDatabaseDiskFull checks that a server with a full disk fails cleanly, and works again when there is space.
func TestDatabaseDiskFull(t *testing.T) {
	p := e2e.StartProcess(t, storetest.SQLite(t))
	mario := p.Register("mario")
	mario.Ask(updateNameMutation, e2e.Vars{"n": "Mario"}).Ok()
	before := limitFiles(p, 0)
	hampered(mario)
	limitFiles(p, before)
	recovered(mario)
}

// limitFiles sets how large the files may get that the process writes, and returns what it was.
func limitFiles(p *e2e.Process, size uint64) (before uint64) {
	p.T.Helper()
	const all = ^uint64(0)
	old := syscall.Rlimit{}
	limit := syscall.Rlimit{Cur: size, Max: all}
	_, _, failed := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(p.Command.Process.Pid), syscall.RLIMIT_FSIZE,
		uintptr(unsafe.Pointer(&limit)), uintptr(unsafe.Pointer(&old)), 0, 0)
	if failed != 0 {
		p.T.Skip("prlimit:", failed)
	}
	return old.Cur
}
