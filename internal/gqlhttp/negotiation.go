package gqlhttp

import (
	"cmp"
	"context"
	"mime"
	"strconv"
	"strings"
)

const (
	jsonType    = "application/json"
	graphqlType = "application/graphql-response+json"
)

const (
	cachedAccepts    = 100 // Accept headers
	cachedAcceptSize = 256 // bytes of an Accept header
)

// isJSON reports whether the Content-Type of a request is JSON in UTF-8, which is also the meaning of no charset.
func isJSON(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	if contentType[0] == jsonType {
		return true
	}
	media, parameters, err := mime.ParseMediaType(contentType[0])
	return err == nil && media == jsonType && isUTF8(parameters)
}

func isUTF8(parameters map[string]string) bool {
	charset, given := parameters["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

// negotiate is [negotiate] with a cache of the headers that most clients send.
func (h *handler) negotiate(ctx context.Context, accept string) (media string, ok bool) {
	media, cached := h.accepts.Get(ctx, accept)
	if !cached {
		if media, _ = negotiate(accept); len(accept) <= cachedAcceptSize {
			h.accepts.Add(ctx, accept, media)
		}
	}
	return media, media != ""
}

// negotiate returns the media type of the response that the client prefers (RFC 9110, section 12.5.1): by quality, then
// the one that it names more precisely, then the one that it names first; application/json if it states none. ok is
// false if it accepts neither.
func negotiate(accept string) (media string, ok bool) {
	if strings.Trim(accept, " \t,") == "" {
		return jsonType, true
	}
	var best preference
	for _, offer := range []string{jsonType, graphqlType} {
		if p := preferenceFor(accept, offer); p.quality > 0 && p.compare(best) > 0 {
			media, best = offer, p
		}
	}
	return media, media != ""
}

// preference is how much a client wants a media type.
type preference struct {
	quality   float64
	precision int // 1 for */*, 2 for application/*, 3 for the media type itself
	position  int // in the header
}

func (p preference) compare(other preference) int {
	return cmp.Or(
		cmp.Compare(p.quality, other.quality),
		cmp.Compare(p.precision, other.precision),
		cmp.Compare(other.position, p.position))
}

// preferenceFor returns the preference of the most precise range in an Accept header that includes a media type.
func preferenceFor(accept, offer string) (best preference) {
	precisions := map[string]int{"*/*": 1, "application/*": 2, offer: 3}
	for position, text := range strings.Split(accept, ",") {
		media, parameters, err := mime.ParseMediaType(text)
		precision := precisions[media]
		if err != nil || precision <= best.precision || !isUTF8(parameters) {
			continue
		}
		quality := 1.0
		if q, given := parameters["q"]; given {
			if quality, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		best = preference{quality: quality, precision: precision, position: position}
	}
	return best
}
