package e2e

import (
	"syscall"
	"testing"
	"unsafe"

	"latchkey/internal/store/storetest"
)

// TestAFullDisk lets no file of a running server grow, and then lets them grow again.
func TestAFullDisk(t *testing.T) {
	p := start(t, storetest.SQLite(t))
	mario := p.register("mario")
	mario.ask(updateNameMutation, vars{"n": "Mario"}).ok()
	before := p.limitFiles(0)
	mario.hampered()
	p.limitFiles(before)
	mario.recovered()
}

// limitFiles sets how large the files may get that the process writes, and returns what it was.
func (p *process) limitFiles(size uint64) (before uint64) {
	p.t.Helper()
	const all = ^uint64(0)
	old := syscall.Rlimit{}
	limit := syscall.Rlimit{Cur: size, Max: all}
	_, _, failed := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(p.command.Process.Pid), syscall.RLIMIT_FSIZE,
		uintptr(unsafe.Pointer(&limit)), uintptr(unsafe.Pointer(&old)), 0, 0)
	if failed != 0 {
		p.t.Skip("prlimit:", failed)
	}
	return old.Cur
}
