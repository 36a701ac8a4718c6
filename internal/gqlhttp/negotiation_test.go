package gqlhttp

import (
	"strings"
	"testing"
)

func TestNegotiate(t *testing.T) {
	const modern = "application/graphql-response+json"
	for accept, want := range map[string]string{
		"":                                    "application/json",
		"*/*":                                 "application/json",
		"application/*":                       "application/json",
		"application/json":                    "application/json",
		modern:                                modern,
		modern + ",application/json":          modern,
		"application/json, " + modern:         "application/json",
		modern + ";q=0.5, application/json":   "application/json",
		modern + "; charset=utf-8, */*;q=0.1": modern,
		"application/json, text/plain, */*":   "application/json",
		"application/json;q=0, */*":           modern,
		modern + ";q=0, */*;q=0":              "",
		"application/json; charset=utf-16":    "",
		"text/html":                           "",
		";;;,":                                "",
		"multipart/mixed, application/graphql+json,*/*": "application/json",
	} {
		if got, ok := negotiate(accept); got != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
}

// FuzzAccept demands one of two media types for all that clients may accept, and one that the client has named.
func FuzzAccept(f *testing.F) {
	for _, seed := range []string{
		"", "*/*", "application/*;q=0.5", "application/graphql-response+json, application/json;q=0.9", "text/html", ";;,",
		"application/json;q=0, */*", "application/json;charset=utf-16", "application/json;q=NaN", "application/json;q=1e9",
		"application/json;q=-1,APPLICATION/JSON",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		media, ok := negotiate(accept)
		if ok != (media == jsonType || media == graphqlType) || !ok && media != "" {
			t.Fatalf("%q, %t", media, ok)
		}
		lower := strings.ToLower(accept)
		named := strings.Contains(lower, media) || strings.Contains(lower, "*")
		if ok && strings.Trim(accept, " \t,") != "" && !named {
			t.Fatalf("%q is not what the client asked for", media)
		}
		// What is listed once more changes nothing.
		if again, _ := negotiate(accept + "," + accept); ok && again != media {
			t.Fatalf("%q, then %q", media, again)
		}
	})
}
