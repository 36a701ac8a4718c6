package graph

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The explorer's policy allows what is on its page and no more.
func TestExplorerPolicy(t *testing.T) {
	w := httptest.NewRecorder()
	Explorer().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	page := html.UnescapeString(w.Body.String())
	policy := map[string][]string{}
	for directive := range strings.SplitSeq(w.Header().Get("Content-Security-Policy"), "; ") {
		words := strings.Fields(directive)
		policy[words[0]] = words[1:]
	}
	want := map[string][]string{"style-src": {"'unsafe-inline'"}}
	for _, match := range regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindAllStringSubmatch(page, -1) {
		sum := sha256.Sum256([]byte(match[1]))
		want["script-src"] = append(want["script-src"], "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	loads := regexp.MustCompile(`(src|href)="(https:[^"]+)"\s+integrity="sha256-[^"]{44}"`).FindAllStringSubmatch(page, -1)
	if len(loads) != strings.Count(page, cdn) {
		t.Errorf("not everything that is loaded has a hash: %s", page)
	}
	for _, match := range loads {
		directive := map[string]string{"src": "script-src", "href": "style-src"}[match[1]]
		want[directive] = append(want[directive], match[2])
	}
	for directive, sources := range want {
		slices.Sort(sources)
		slices.Sort(policy[directive])
		if !slices.Equal(policy[directive], sources) {
			t.Errorf("%s is %v, want %v", directive, policy[directive], sources)
		}
	}
}
