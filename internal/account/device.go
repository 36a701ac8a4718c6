package account

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"unicode"
)

// DeviceKey returns what kind of program signed in, to be compared and not to be read: the name it was given and its
// User-DeviceKey without digits, so that a newer version of a browser is the same one.
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

// Network returns the part of an address that one customer of a provider keeps: of IPv6 the /64, of IPv4 all of it.
// What is no address is returned as it is.
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
