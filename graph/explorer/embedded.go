//go:build explorer

package explorer

import (
	"embed"
	"slices"
	"strings"
)

// registry is this server: the dependencies are part of the program.
const registry = "/explorer/"

// What npm ci has put there.
//
//go:embed node_modules/react/umd/react.production.min.js
//go:embed node_modules/react-dom/umd/react-dom.production.min.js
//go:embed node_modules/graphiql/graphiql.min.js node_modules/graphiql/graphiql.min.css
//go:embed node_modules/react/LICENSE node_modules/react-dom/LICENSE node_modules/graphiql/LICENSE
var modules embed.FS

// installed returns the dependencies by their paths, and the license of each package.
func installed() map[string][]byte {
	files := map[string][]byte{}
	for _, d := range slices.Concat(scripts, styles) {
		name, rest, _ := strings.Cut(d.Path, "@")
		version, file, _ := strings.Cut(rest, "/")
		content, err := modules.ReadFile("node_modules/" + name + "/" + file)
		if err != nil {
			panic(err) // it is part of the program
		}
		files[d.Path] = content
		license, err := modules.ReadFile("node_modules/" + name + "/LICENSE")
		if err != nil {
			panic(err) // it is part of the program
		}
		files[name+"@"+version+"/LICENSE"] = license
	}
	return files
}
