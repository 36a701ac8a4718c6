// Package explorer is the page on which a developer tries the server out: GraphiQL, a bar to sign in by and operations
// to begin with. It knows the server by its endpoint alone, as any other client does.
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

//go:embed page.html style.css session.js explorer.js key.svg
var own embed.FS

var page = template.Must(template.ParseFS(own, "page.html"))

// dependency is a file from npm that the page loads. Browsers refuse any other in its place.
type dependency struct {
	Path      string // PACKAGE@VERSION/FILE
	Integrity string // Subresource Integrity
}

// Address is where the page loads the file from.
func (d dependency) Address() string { return registry + d.Path }

// The newest that come as single files: of later ones somebody would have to make a bundle.
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

// Handler answers GET / with the page, and GET /explorer/… with the files of this server's that it loads.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	for _, name := range []string{"style.css", "session.js", "explorer.js", "key.svg"} {
		content, err := own.ReadFile(name)
		if err != nil {
			panic(err) // it is part of the program
		}
		mux.Handle("GET /explorer/"+name, file(name, content, "no-cache"))
	}
	list, err := json.Marshal(operations)
	if err != nil {
		panic(err) // it is made of strings
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

// file answers with content, or 304 to who has it already.
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

// servePage answers with the page and a Content-Security-Policy of its own.
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

// policy lets the page load its own server's files and the very files that it names, and talk to its own server. The
// nonce is for the one style that GraphiQL writes itself, when it opens a dialog; fonts and small images are in its
// style sheet.
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

// sources is the server itself, and each file that comes from elsewhere.
func sources(files []dependency) string {
	list := "'self'"
	for _, d := range files {
		if address := d.Address(); !strings.HasPrefix(address, "/") {
			list += " " + address
		}
	}
	return list
}
