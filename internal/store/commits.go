package store

import (
	"context"
	"sync"
)

// commits makes changes that come while another one is being written in one transaction: writing to the disk takes
// longer than everything else about a small change, and takes as long for many as for one. PostgreSQL does so by itself.
type commits struct {
	mu      sync.Mutex
	waiting []*waiting
	busy    bool // somebody commits
}

// waiting is a change that somebody waits for.
type waiting struct {
	ctx   context.Context
	query string
	args  []any

	done chan struct{} // closed when the rest is known
	rows int64
	err  error
}

// do makes a change, and returns how many rows it touched. When ctx ends first, the change may be made or not.
func (c *commits) do(ctx context.Context, s *Store, query string, args []any) (rows int64, err error) {
	c.mu.Lock()
	if !c.busy {
		c.busy = true
		c.mu.Unlock()
		defer func() {
			if all := c.take(); all != nil {
				go c.run(s, all)
			}
		}()
		return s.change(ctx, query, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, statementTimeout) // as change has
	defer cancel()
	w := &waiting{ctx: ctx, query: query, args: args, done: make(chan struct{})}
	c.waiting = append(c.waiting, w)
	c.mu.Unlock()
	select {
	case <-w.done:
		return w.rows, w.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// take returns all that waits; nil when nothing does, and then nobody commits any more.
func (c *commits) take() []*waiting {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.waiting
	c.waiting, c.busy = nil, len(all) > 0
	return all
}

// run commits what waits, until nothing does.
func (c *commits) run(s *Store, all []*waiting) {
	for ; len(all) > 0; all = c.take() {
		s.commit(all)
		for _, w := range all {
			close(w.done)
		}
	}
}

// commit makes the changes for which somebody still waits, in one transaction: all of them or, if that fails, none.
func (s *Store) commit(all []*waiting) {
	err := s.InTx(context.Background(), func(tx *Store) error {
		for _, w := range all {
			if w.err = w.ctx.Err(); w.err != nil {
				continue
			}
			var err error
			if w.rows, err = tx.change(context.WithoutCancel(w.ctx), w.query, w.args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, w := range all {
			w.rows, w.err = 0, err
		}
	}
}
