package middleware

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// proxies are trusted in these tests.
var proxies = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("fe80::/10"),
}

func forwarded(peer string, headers ...string) *http.Request {
	return &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": headers}}
}

func TestClientIP(t *testing.T) {
	for _, c := range []struct {
		peer    string
		headers []string
		want    string
	}{
		{"192.0.2.1:5000", nil, "192.0.2.1"},
		{"[2001:db8::1]:5000", nil, "2001:db8::1"},
		{"[::ffff:192.0.2.1]:5000", nil, "192.0.2.1"},
		{"[fe80::1%eth0]:5000", nil, "fe80::1"},
		{"", []string{"192.0.2.1"}, ""},
		{"@", []string{"192.0.2.1"}, ""},
		{"10.0.0.1", []string{"192.0.2.1"}, ""},

		{"192.0.2.1:5000", []string{"198.51.100.7"}, "192.0.2.1"},
		{"192.0.2.1:5000", []string{"10.0.0.2"}, "192.0.2.1"},
		{"10.0.0.1:5000", nil, "10.0.0.1"},
		{"10.0.0.1:5000", []string{"198.51.100.7"}, "198.51.100.7"},
		{"[::ffff:10.0.0.1]:5000", []string{"198.51.100.7"}, "198.51.100.7"},
		{"[fd00::1]:5000", []string{"2001:db8::7"}, "2001:db8::7"},
		{"[fe80::1%eth0]:5000", []string{"198.51.100.7"}, "198.51.100.7"},

		{"10.0.0.1:5000", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:5000", []string{"203.0.113.9, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		{"10.0.0.1:5000", []string{"203.0.113.9", "198.51.100.7", "10.0.0.2, 10.0.0.3"}, "198.51.100.7"},
		{"10.0.0.1:5000", []string{"10.0.0.9, 198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:5000", []string{"10.0.0.3,10.0.0.2"}, "10.0.0.3"},
		{"10.0.0.1:5000", []string{"203.0.113.9, " + strings.Repeat("10.0.0.2,", 1000) + "10.0.0.2"}, "203.0.113.9"},

		{"10.0.0.1:5000", []string{"198.51.100.7:443"}, "198.51.100.7"},
		{"10.0.0.1:5000", []string{"[2001:db8::7]:443"}, "2001:db8::7"},
		{"10.0.0.1:5000", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"10.0.0.1:5000", []string{"2001:db8::7"}, "2001:db8::7"},
		{"10.0.0.1:5000", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:5000", []string{"[::ffff:198.51.100.7]:443"}, "198.51.100.7"},
		{"10.0.0.1:5000", []string{"203.0.113.9, [::ffff:10.0.0.2]:443"}, "203.0.113.9"},
		{"10.0.0.1:5000", []string{"203.0.113.9, fe80::2%eth0"}, "203.0.113.9"},
		{"10.0.0.1:5000", []string{"2001:db8::7%eth0"}, "2001:db8::7"},
		{"10.0.0.1:5000", []string{"\t198.51.100.7 "}, "198.51.100.7"},

		{"10.0.0.1:5000", []string{""}, "10.0.0.1"},
		{"10.0.0.1:5000", []string{", ,"}, "10.0.0.1"},
		{"10.0.0.1:5000", []string{"198.51.100.7, ,", ""}, "198.51.100.7"},
		{"10.0.0.1:5000", []string{"198.51.100.7,, 10.0.0.2"}, "198.51.100.7"},
		{"10.0.0.1:5000", []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		{"10.0.0.1:5000", []string{"203.0.113.9, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"10.0.0.1:5000", []string{"203.0.113.9, 198.51.100.7:http"}, "10.0.0.1"},
		{"10.0.0.1:5000", []string{"203.0.113.9, 198.51.100.7:"}, "10.0.0.1"},
		{"10.0.0.1:5000", []string{"203.0.113.9, ]2001:db8::7["}, "10.0.0.1"},
		{"10.0.0.1:5000", []string{"203.0.113.9, 198.51.100.007"}, "10.0.0.1"},
		{"10.0.0.1:5000", []string{"203.0.113.9, 198.51.100.7\u00a0"}, "10.0.0.1"},
		{"10.0.0.1:5000", []string{"203.0.113.9, 198.51.100.0/24"}, "10.0.0.1"},
		{"10.0.0.1:5000", []string{"203.0.113.9; 198.51.100.7"}, "10.0.0.1"},
		{"10.0.0.1:5000", []string{`for="198.51.100.7"`}, "10.0.0.1"},
	} {
		if got := clientIP(forwarded(c.peer, c.headers...), proxies); got != c.want {
			t.Errorf("%s %.60q: %s, want %s", c.peer, c.headers, got, c.want)
		}
		alone := clientIP(forwarded(c.peer), nil)
		if got := clientIP(forwarded(c.peer, c.headers...), nil); got != alone {
			t.Errorf("%s %.60q, no proxies: %s, want %s", c.peer, c.headers, got, alone)
		}
	}
}

// The client is the peer or a hop, and everything to the right of it is trusted.
func FuzzClientIP(f *testing.F) {
	f.Add("10.0.0.1:5000", "203.0.113.9, 198.51.100.7", "10.0.0.2:80")
	f.Add("10.0.0.1:5000", "203.0.113.9, unknown, [::1]", "[fd00::2]:80,,")
	f.Add("[fe80::1%eth0]:5000", "::ffff:198.51.100.7", " fe80::2%x\t")
	f.Add("192.0.2.1:5000", "198.51.100.7", "")
	f.Add("@", "", "")
	f.Fuzz(func(t *testing.T, peer, first, second string) {
		got := clientIP(forwarded(peer, first, second), proxies)
		from, err := netip.ParseAddrPort(peer)
		if err != nil {
			if got != "" {
				t.Fatalf("%q is %s", peer, got)
			}
			return
		}
		client, err := netip.ParseAddr(got)
		if err != nil || client.Zone() != "" || client.Is4In6() {
			t.Fatalf("%q is not a normalized address: %v", got, err)
		}
		route := append(strings.Split(first+","+second, ","), from.Addr().String())
		for _, text := range slices.Backward(route) {
			if strings.Trim(text, " \t") == "" {
				continue
			}
			hop, err := parseHop(strings.Trim(text, " \t"))
			if err != nil {
				t.Fatalf("%s comes from beyond %q", client, text)
			}
			if hop == client {
				return
			}
			if !isTrusted(hop, proxies) {
				t.Fatalf("%s comes from beyond %s", client, hop)
			}
		}
		t.Fatalf("%s comes from nowhere", client)
	})
}
