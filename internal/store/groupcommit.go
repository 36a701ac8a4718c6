package store

import (
	"context"
	"sync"
)

// groupCommit commits the writes that arrive during another one in one transaction: writing to the disk takes longer
// than everything else about a small write, and takes as long for many as for one. PostgreSQL does so itself.
type groupCommit struct {
	store *Store

	mu      sync.Mutex
	pending []*pendingWrite
	busy    bool // a write is being committed
}

// pendingWrite is a statement whose caller waits.
type pendingWrite struct {
	ctx   context.Context
	query string
	args  []any

	done chan struct{} // closed when rows and err are set
	rows int64
	err  error
}

// exec runs a statement that writes and returns the number of rows it changed. If ctx ends first, it is unknown whether
// the statement was applied.
func (c *groupCommit) exec(ctx context.Context, query string, args []any) (rows int64, err error) {
	c.mu.Lock()
	if !c.busy {
		c.busy = true
		c.mu.Unlock()
		defer func() {
			if writes := c.drain(); writes != nil {
				go c.run(writes)
			}
		}()
		return c.store.exec(ctx, query, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, statementTimeout) // the same limit as in exec
	defer cancel()
	w := &pendingWrite{ctx: ctx, query: query, args: args, done: make(chan struct{})}
	c.pending = append(c.pending, w)
	c.mu.Unlock()
	select {
	case <-w.done:
		return w.rows, w.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// drain returns all pending writes, and marks c as idle if there are none.
func (c *groupCommit) drain() []*pendingWrite {
	c.mu.Lock()
	defer c.mu.Unlock()
	writes := c.pending
	c.pending, c.busy = nil, len(writes) > 0
	return writes
}

// run commits writes, and those that arrive meanwhile, until none is pending.
func (c *groupCommit) run(writes []*pendingWrite) {
	for ; len(writes) > 0; writes = c.drain() {
		c.commit(writes)
		for _, w := range writes {
			close(w.done)
		}
	}
}

// commit applies the writes whose callers still wait in one transaction: all of them or, if that fails, none.
func (c *groupCommit) commit(writes []*pendingWrite) {
	err := c.store.InTx(context.Background(), func(tx *Tx) error {
		for _, w := range writes {
			if w.err = w.ctx.Err(); w.err != nil {
				continue
			}
			var err error
			if w.rows, err = tx.exec(context.WithoutCancel(w.ctx), w.query, w.args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, w := range writes {
			w.rows, w.err = 0, err
		}
	}
}
