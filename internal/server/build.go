package server

import "runtime/debug"

// Build describes how the program was built.
type Build struct {
	Version   string // of the module
	GoVersion string
	Revision  string // empty if the program was not built in a checkout; then Time is empty, too
	Time      string // of the revision (RFC 3339)
	Modified  bool   // the checkout had changes
}

// ReadBuild returns the description that the Go toolchain embedded in the program; ok is false if there is none.
func ReadBuild() (b Build, ok bool) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{}, false
	}
	b.Version, b.GoVersion = info.Main.Version, info.GoVersion
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Revision = setting.Value
		case "vcs.time":
			b.Time = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b, true
}
