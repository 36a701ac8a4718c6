package cli

import (
	"context"
	"os/signal"
	"syscall"

	"latchkey/internal/server"
)

type serve struct{}

// Run serves requests until ctx is done, then waits for those in progress.
func (serve) Run(ctx context.Context, p *Program) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // the server goes on if the reader of its log ends
	log, flush := server.NewLog(c, p.Stderr, isTerminal(p.Stderr))
	defer flush()
	s, err := server.Open(ctx, c, server.Options{Now: p.Now, Log: log, Schema: p.Schema})
	if err != nil {
		return err
	}
	return s.Serve(ctx)
}
