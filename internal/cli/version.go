package cli

import (
	"errors"
	"runtime/debug"
)

type showVersion struct{}

// Run prints the version of the module, the revision it was built from, if known, and the version of Go.
func (showVersion) Run(p *Program) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this program was built without its version")
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
