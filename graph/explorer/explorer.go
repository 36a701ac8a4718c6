// Package explorer serves a page for developers to try the GraphQL API: GraphiQL with a sign-in bar and example
// operations. Call [Handler].
//
// It knows nothing of the server but the path of its GraphQL endpoint: the page is a client like any other.
package explorer

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed page.html style.css session.js client.js explorer.js key.svg
var own embed.FS

var page = template.Must(template.ParseFS(own, "page.html"))

// dependency is a file of an npm package that the page loads. Browsers refuse a file with another hash.
type dependency struct {
	Path      string // PACKAGE@VERSION/FILE
	Integrity string // Subresource Integrity
}

// Address returns the URL or path that the page loads the file from.
func (d dependency) Address() string { return registry + d.Path }

// The newest versions that are published as single files. Later ones would need a bundler.
var (
	scripts = []dependency{
		{"react@18.3.1/umd/react.production.min.js",
			"sha384-DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z"},
		{"react-dom@18.3.1/umd/react-dom.production.min.js",
			"sha384-gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1"},
		{"graphiql@4.1.2/graphiql.min.js",
			"sha384-9XdHu7ajgGJziD4J1zNBKQ842Q/+zZfDv+ib1eMhZWBH6hPAs806x+Jbcf0yNO6B"},
	}
	styles = []dependency{
		{"graphiql@4.1.2/graphiql.min.css",
			"sha384-1el1QShFBnnXTx9x/Cprg82hZWKt0ry29OAYIXt05swbi0KcZDFoj0CWguMpopJr"},
	}
)

// Handler serves the page at / and the files that it loads from this server below /explorer/.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	for _, name := range []string{"style.css", "session.js", "client.js", "explorer.js", "key.svg"} {
		content, err := own.ReadFile(name)
		if err != nil {
			panic(err) // embedded above
		}
		mux.Handle("GET /explorer/"+name, file(name, content, "no-cache"))
	}
	list, err := json.Marshal(operations)
	if err != nil {
		panic(err) // it consists of strings
	}
	mux.Handle("GET /explorer/operations.json", file("operations.json", list, "no-cache"))
	for name, content := range installed() {
		mux.Handle("GET /explorer/"+name, file(name, content, "public, max-age=31536000, immutable"))
	}
	return mux
}

var types = map[string]string{
	"":      "text/plain; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".svg":  "image/svg+xml",
}

// file serves content, or 304 if the client has it already.
func file(name string, content []byte, cache string) http.HandlerFunc {
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(content))
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", types[path.Ext(name)])
		h.Set("Cache-Control", cache)
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// servePage serves the page with its own Content-Security-Policy.
func servePage(w http.ResponseWriter, _ *http.Request) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Security-Policy", policy(nonce))
	h.Set("Content-Type", "text/html; charset=utf-8")
	page.Execute(w, struct {
		Scripts, Styles []dependency
		Nonce           string
	}{scripts, styles, nonce})
}

// policy allows the page to load files from its own server and the dependencies, and to send requests to its own
// server. The nonce is for the style element that GraphiQL adds when it opens a dialog. Fonts and small images are data
// URLs in its style sheet.
func policy(nonce string) string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src " + sources(scripts),
		"style-src " + sources(styles) + " 'nonce-" + nonce + "'",
		"font-src data:",
		"img-src 'self' data:",
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}

// sources returns the server itself and the URL of each file from elsewhere.
func sources(files []dependency) string {
	list := "'self'"
	for _, d := range files {
		if address := d.Address(); !strings.HasPrefix(address, "/") {
			list += " " + address
		}
	}
	return list
}
