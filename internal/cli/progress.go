package cli

import (
	"fmt"
	"slices"
	"time"
)

// progress shows the text that state returns on a terminal, and updates it until stop is called.
func (p *Program) progress(state func() string) (stop func()) {
	if !isTerminal(p.Stderr) || slices.Contains(p.Env, "TERM=dumb") {
		return func() {}
	}
	done, cleared := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(cleared)
		for {
			select {
			case <-done:
				fmt.Fprint(p.Stderr, "\r\033[K")
				return
			case <-time.After(200 * time.Millisecond):
				fmt.Fprint(p.Stderr, "\r\033[K"+state())
			}
		}
	}()
	return func() {
		close(done)
		<-cleared
	}
}
