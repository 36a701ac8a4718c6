//go:build !explorer

package explorer

// registry is where npm's packages are published as single files.
const registry = "https://cdn.jsdelivr.net/npm/"

// installed returns nothing: browsers load the dependencies from the registry.
func installed() map[string][]byte { return nil }
