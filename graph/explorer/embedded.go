//go:build explorer

package explorer

import (
	"embed"
	"slices"
	"strings"
)

// registry is this server: the dependencies are embedded in the program.
const registry = "/explorer/"

// The files that npm ci installs.
//
//go:embed node_modules/react/umd/react.production.min.js
//go:embed node_modules/react-dom/umd/react-dom.production.min.js
//go:embed node_modules/graphiql/graphiql.min.js node_modules/graphiql/graphiql.min.css
//go:embed node_modules/react/LICENSE node_modules/react-dom/LICENSE node_modules/graphiql/LICENSE
var modules embed.FS

// installed returns the dependencies and the license of each package, by path.
func installed() map[string][]byte {
	files := map[string][]byte{}
	for _, d := range slices.Concat(scripts, styles) {
		name, rest, _ := strings.Cut(d.Path, "@")
		version, file, _ := strings.Cut(rest, "/")
		content, err := modules.ReadFile("node_modules/" + name + "/" + file)
		if err != nil {
			panic(err) // embedded above
		}
		files[d.Path] = content
		license, err := modules.ReadFile("node_modules/" + name + "/LICENSE")
		if err != nil {
			panic(err) // embedded above
		}
		files[name+"@"+version+"/LICENSE"] = license
	}
	return files
}
