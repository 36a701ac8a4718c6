package cli

import (
	"errors"

	"latchkey/internal/server"
)

type version struct{}

// Run prints the version of the module, the revision it was built from, if known, and the version of Go.
func (version) Run(p *Program) error {
	build, ok := server.ReadBuild()
	if !ok {
		return errors.New("this program was built without version information")
	}
	source := ""
	if build.Revision != "" {
		source = " (" + build.Revision + " of " + build.Time
		if build.Modified {
			source += ", changed since"
		}
		source += ")"
	}
	return p.printf("latchkey %s%s, %s\n", build.Version, source, build.GoVersion)
}
