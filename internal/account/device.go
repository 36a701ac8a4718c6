package account

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"unicode"
)

// DeviceKey returns a key of the program that signed in, for comparison only: a hash of the device name and the
// User-Agent without digits, so that a new version of a browser has the same key.
func DeviceKey(deviceName, userAgent string) string {
	kind := strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, userAgent)
	sum := sha256.Sum256([]byte(Canonical(deviceName) + "\n" + kind))
	return hex.EncodeToString(sum[:16])
}

// Network returns the part of an IP address that identifies a customer of a provider: the /64 of IPv6, all of IPv4. It
// returns any other text unchanged.
func Network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || !ip.Is6() {
		return address
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}
