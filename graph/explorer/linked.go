//go:build !explorer

package explorer

// registry is a CDN that serves the files of npm packages.
const registry = "https://cdn.jsdelivr.net/npm/"

// installed returns nothing: browsers load the dependencies from the registry.
func installed() map[string][]byte { return nil }
