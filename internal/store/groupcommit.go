package store

import (
	"context"
	"sync"
)

// groupCommit makes changes that come while another one is being written in one transaction: writing to the disk takes
// longer than everything else about a small change, and takes as long for many as for one. PostgreSQL does so by itself.
type groupCommit struct {
	mu      sync.Mutex
	pending []*pendingWrite
	busy    bool // somebody commits
}

// pendingWrite is a change that somebody waits for.
type pendingWrite struct {
	ctx   context.Context
	query string
	args  []any

	done chan struct{} // closed when the rest is known
	rows int64
	err  error
}

// exec makes a change, and returns how many rows it touched. When ctx ends first, the change may be made or not.
func (c *groupCommit) exec(ctx context.Context, s *Store, query string, args []any) (rows int64, err error) {
	c.mu.Lock()
	if !c.busy {
		c.busy = true
		c.mu.Unlock()
		defer func() {
			if all := c.drain(); all != nil {
				go c.run(s, all)
			}
		}()
		return s.exec(ctx, query, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, statementTimeout) // as change has
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

// drain returns all that waits; nil when nothing does, and then nobody commits any more.
func (c *groupCommit) drain() []*pendingWrite {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.pending
	c.pending, c.busy = nil, len(all) > 0
	return all
}

// run commits what waits, until nothing does.
func (c *groupCommit) run(s *Store, writes []*pendingWrite) {
	for ; len(writes) > 0; writes = c.drain() {
		s.commit(writes)
		for _, w := range writes {
			close(w.done)
		}
	}
}

// commit makes the changes for which somebody still waits, in one transaction: all of them or, if that fails, none.
func (s *Store) commit(writes []*pendingWrite) {
	err := s.InTx(context.Background(), func(tx *Store) error {
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
