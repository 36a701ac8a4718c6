package middleware

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
)

// ClientIP returns middleware that keeps the IP address of each request's client for [ClientIPFrom]. It trusts only the
// entries of X-Forwarded-For that trusted proxies wrote.
func ClientIP(trusted []netip.Prefix) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ip := clientIP(r, trusted)
			if i, ok := r.Context().Value(infoKey{}).(*info); ok {
				i.clientIP, i.hasClientIP = ip, true
			} else {
				r = r.WithContext(context.WithValue(r.Context(), infoKey{}, &info{clientIP: ip, hasClientIP: true}))
			}
			next.ServeHTTP(w, r)
		})
	}
}

// ClientIPFrom returns the IP address of the client, or "" outside of [ClientIP] and when the peer has none.
func ClientIPFrom(ctx context.Context) string { return infoFrom(ctx).clientIP }

// clientIP returns the address of the right-most hop that is not a trusted proxy, or "" when the peer has none. If a
// trusted proxy wrote something that is not an address, the client is that proxy. Empty elements are skipped (RFC 9110,
// section 5.6.1.2).
func clientIP(r *http.Request, trusted []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	address := normalize(peer.Addr())
	if !isTrusted(address, trusted) {
		return address.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && isTrusted(address, trusted); i-- {
		text := strings.Trim(hops[i], " \t")
		if text == "" {
			continue
		}
		hop, err := parseHop(text)
		if err != nil {
			break
		}
		address = hop
	}
	return address.String()
}

// parseHop reads an address as proxies write it: bare, in brackets, or with a port.
func parseHop(text string) (netip.Addr, error) {
	if hop, err := netip.ParseAddrPort(text); err == nil {
		return normalize(hop.Addr()), nil
	}
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
	}
	address, err := netip.ParseAddr(text)
	return normalize(address), err
}

// normalize returns an address without a zone, and an IPv4-mapped one as IPv4.
func normalize(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

func isTrusted(address netip.Addr, trusted []netip.Prefix) bool {
	for _, prefix := range trusted {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}
