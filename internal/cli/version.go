package cli

import (
	"errors"
	"runtime/debug"
)

type version struct{}

// Run prints the version of the module, the revision it was built from, if known, and the version of Go.
func (version) Run(p *Program) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this program was built without version information")
	}
	built := map[string]string{}
	for _, setting := range info.Settings {
		built[setting.Key] = setting.Value
	}
	source := ""
	if revision := built["vcs.revision"]; revision != "" {
		source = " (" + revision + " of " + built["vcs.time"]
		if built["vcs.modified"] == "true" {
			source += ", changed since"
		}
		source += ")"
	}
	return p.printf("latchkey %s%s, %s\n", info.Main.Version, source, info.GoVersion)
}
