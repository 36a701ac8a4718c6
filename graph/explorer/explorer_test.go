package explorer

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func get(t *testing.T, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	content, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// The page loads files only, from this server or with a hash, and its policy allows exactly those.
func TestPolicy(t *testing.T) {
	response := get(t, "/")
	page := html.UnescapeString(body(t, response))
	policy := map[string][]string{}
	for directive := range strings.SplitSeq(response.Header.Get("Content-Security-Policy"), "; ") {
		words := strings.Fields(directive)
		policy[words[0]] = words[1:]
	}
	want := map[string][]string{
		"default-src": {"'none'"}, "connect-src": {"'self'"}, "font-src": {"data:"}, "img-src": {"'self'", "data:"},
		"base-uri": {"'none'"}, "form-action": {"'none'"}, "frame-ancestors": {"'none'"},
		"script-src": {"'self'"}, "style-src": {"'self'"},
	}
	nonce := regexp.MustCompile(`nonce="([A-Z2-7]{26})"`).FindStringSubmatch(page)
	if nonce == nil {
		t.Fatal("no nonce: ", page)
	}
	want["style-src"] = append(want["style-src"], "'nonce-"+nonce[1]+"'")
	elements := regexp.MustCompile(`<(script|link rel="stylesheet")[^>]*>`).FindAllString(page, -1)
	if len(elements) != 6 {
		t.Errorf("%d elements load scripts and styles: %q", len(elements), elements)
	}
	for _, element := range elements {
		address := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindStringSubmatch(element)
		if address == nil {
			t.Errorf("%s has no URL, so it is inline", element)
			continue
		}
		foreign := !strings.HasPrefix(address[1], "/explorer/")
		pinned := regexp.MustCompile(` integrity="sha384-[^"]{64}" crossorigin="anonymous"`).MatchString(element)
		if pinned != strings.Contains(address[1], "@") || foreign && !pinned {
			t.Errorf("%s must have a hash if it is from another server", element)
		}
		if foreign {
			directive := "style-src"
			if strings.HasPrefix(element, "<script") {
				directive = "script-src"
			}
			want[directive] = append(want[directive], address[1])
		} else if file := get(t, address[1]); file.StatusCode != 200 {
			t.Errorf("%s: %s", address[1], file.Status)
		}
	}
	for _, list := range []map[string][]string{policy, want} {
		for _, sources := range list {
			slices.Sort(sources)
		}
	}
	if len(policy) != len(want) {
		t.Errorf("the policy is %v, want %v", policy, want)
	}
	for directive, sources := range want {
		if !slices.Equal(policy[directive], sources) {
			t.Errorf("%s is %v, want %v", directive, policy[directive], sources)
		}
	}
	if strings.Contains(page, "style=") || regexp.MustCompile(`<[^>]* on[a-z]+=`).MatchString(page) {
		t.Error("the page has scripts or styles in attributes: ", page)
	}
	if again := body(t, get(t, "/")); strings.Contains(again, nonce[1]) {
		t.Error("two pages have the same nonce")
	}
}

// Each file has its type and is fetched again only after a change. No other files are served.
func TestFiles(t *testing.T) {
	for path, want := range map[string]string{
		"/explorer/style.css":       "text/css; charset=utf-8",
		"/explorer/session.js":      "text/javascript; charset=utf-8",
		"/explorer/client.js":       "text/javascript; charset=utf-8",
		"/explorer/explorer.js":     "text/javascript; charset=utf-8",
		"/explorer/key.svg":         "image/svg+xml",
		"/explorer/operations.json": "application/json",
	} {
		response := get(t, path)
		if have := response.Header.Get("Content-Type"); response.StatusCode != 200 || have != want {
			t.Errorf("%s: %s, %s", path, response.Status, have)
		}
		if have := response.Header.Get("Cache-Control"); have != "no-cache" {
			t.Errorf("%s: Cache-Control is %q", path, have)
		}
		if again := get(t, path, "If-None-Match", response.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %s", path, again.Status)
		}
	}
	for _, d := range slices.Concat(scripts, styles) {
		response := get(t, "/explorer/"+d.Path)
		if registry != "/explorer/" {
			if response.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %s, but it is not embedded", d.Path, response.Status)
			}
			continue
		}
		if have := response.Header.Get("Cache-Control"); have != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control is %q", d.Path, have)
		}
		sum := sha512.Sum384([]byte(body(t, response)))
		if have := "sha384-" + base64.StdEncoding.EncodeToString(sum[:]); have != d.Integrity {
			t.Errorf("%s is %s, want %s: run npm ci in graph/explorer", d.Path, have, d.Integrity)
		}
	}
	for _, path := range []string{
		"/explorer/", "/explorer/page.html", "/explorer/explorer.go", "/explorer/package.json", "/explorer/node_modules/",
	} {
		if response := get(t, path); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
}

// npm ci installs the versions that the page loads.
func TestLock(t *testing.T) {
	text, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct{ Version, Integrity string }
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		t.Fatal(err)
	}
	for _, d := range slices.Concat(scripts, styles) {
		name, rest, _ := strings.Cut(d.Path, "@")
		version, _, _ := strings.Cut(rest, "/")
		if locked := lock.Packages["node_modules/"+name]; locked.Version != version || locked.Integrity == "" {
			t.Errorf("%s is version %q in package-lock.json", d.Path, locked.Version)
		}
	}
}
