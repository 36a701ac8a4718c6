package storetest

import (
	"context"
	"database/sql/driver"
	"sync"
)

// Fault is how a call to a driver fails.
type Fault struct {
	Err         error
	NothingDone bool // Err says that the call had no effect: it may be retried
	Fatal       bool // the connection is broken afterwards
	After       bool // the call takes effect nevertheless
}

// Faults lets one call to a driver fail, and counts what a program leaves open. It is safe for concurrent use.
type Faults struct {
	mu    sync.Mutex
	fault Fault
	calls int // until the one that fails; 0 when none does
	open  int
}

// Arm lets the n-th call from now on fail. A fault that lets the call take effect counts only those that can have one:
// a commit, and a statement outside a transaction.
func (f *Faults) Arm(n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.fault = n, fault
}

// Disarm lets all calls succeed, and reports whether one has failed since Arm.
func (f *Faults) Disarm() (struck bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	struck, f.calls = f.calls == 0, 0
	return struck
}

// Open returns the number of open transactions and results.
func (f *Faults) Open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

func (f *Faults) opened(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open += n
}

// kind is the kind of a call to a driver: whether it only fetches results, and whether it may commit something.
type kind struct{ fetches, decides bool }

// strikes reports whether this call fails.
func (f *Faults) strikes(k kind) (fault Fault, now bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == 0 || f.fault.After && !k.decides || f.fault.NothingDone && k.fetches {
		return Fault{}, false
	}
	f.calls--
	return f.fault, f.calls == 0
}

// Wrap returns a connector to the same database whose connections have faults. It is a store.Wrapper.
func (f *Faults) Wrap(c driver.Connector) driver.Connector { return &faultyConnector{c, f} }

type faultyConnector struct {
	driver.Connector
	faults *Faults
}

func (c *faultyConnector) Connect(ctx context.Context) (driver.Conn, error) {
	if fault, now := c.faults.strikes(kind{}); now {
		return nil, fault.Err
	}
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: inner, faults: c.faults}, nil
}

// faultyConn is a connection of one of the two drivers, which implement all interfaces that it needs.
type faultyConn struct {
	driver.Conn
	faults *Faults
	inTx   bool
	broken bool
}

// call makes a call to the driver, or lets it fail.
func (c *faultyConn) call(k kind, do func() error) error {
	if c.broken {
		return driver.ErrBadConn
	}
	k.decides = k.decides && !c.inTx
	fault, now := c.faults.strikes(k)
	if now {
		c.broken = fault.Fatal
	}
	if now && !fault.After {
		return fault.Err
	}
	if err := do(); err != nil || !now {
		return err
	}
	return fault.Err
}

func (c *faultyConn) IsValid() bool {
	inner, ok := c.Conn.(driver.Validator)
	return !c.broken && (!ok || inner.IsValid())
}

func (c *faultyConn) ResetSession(ctx context.Context) error {
	if c.broken {
		return driver.ErrBadConn
	}
	if inner, ok := c.Conn.(driver.SessionResetter); ok {
		return inner.ResetSession(ctx)
	}
	return nil
}

func (c *faultyConn) CheckNamedValue(v *driver.NamedValue) error {
	if inner, ok := c.Conn.(driver.NamedValueChecker); ok {
		return inner.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (tx driver.Tx, err error) {
	err = c.call(kind{}, func() (err error) {
		tx, err = c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.inTx = true
	c.faults.opened(1)
	return &faultyTx{tx, c}, nil
}

func (c *faultyConn) ExecContext(
	ctx context.Context, query string, args []driver.NamedValue,
) (result driver.Result, err error) {
	err = c.call(kind{decides: true}, func() (err error) {
		result, err = c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
		return err
	})
	return result, err
}

func (c *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	var rows driver.Rows
	err := c.call(kind{}, func() (err error) {
		rows, err = c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.faults.opened(1)
	return &faultyRows{rows, c}, nil
}

// faultyTx is closed after Commit or Rollback, also if that failed, as drivers promise.
type faultyTx struct {
	driver.Tx
	conn *faultyConn
}

func (t *faultyTx) Commit() error {
	t.conn.inTx = false
	t.conn.faults.opened(-1)
	done := false
	err := t.conn.call(kind{decides: true}, func() error {
		done = true
		return t.Tx.Commit()
	})
	if !done {
		t.Tx.Rollback()
	}
	return err
}

func (t *faultyTx) Rollback() error {
	t.conn.faults.opened(-1)
	err := t.Tx.Rollback()
	if failed := t.conn.call(kind{}, func() error { return nil }); failed != nil {
		err = failed
	}
	t.conn.inTx = false
	return err
}

type faultyRows struct {
	driver.Rows
	conn *faultyConn
}

func (r *faultyRows) Next(values []driver.Value) error {
	return r.conn.call(kind{fetches: true, decides: true}, func() error { return r.Rows.Next(values) })
}

func (r *faultyRows) Close() error {
	r.conn.faults.opened(-1)
	return r.Rows.Close()
}
