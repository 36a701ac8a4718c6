package graph

import (
	"latchkey/internal/account"
	"latchkey/internal/gqlhttp"
)

// scanWeight is the cost of reading all profiles, to search or count them.
const scanWeight = 200

// costs are the costs of the fields that need much work of the database or have long values, and the sizes of lists.
// They are a table because clients would see directives in the schema, which cannot express searches and long texts
// either.
var costs = gqlhttp.Costs{
	"Query.profiles": {
		Weight: 10,
		Page:   &gqlhttp.Page{Arguments: []string{"first", "last"}, Default: account.DefaultPage, Max: account.MaxPage},
		Search: &gqlhttp.Search{Argument: "filter", Field: "search", Weight: scanWeight},
	},
	"ProfileConnection.edges":      {Entries: true},
	"ProfileConnection.nodes":      {Entries: true},
	"ProfileConnection.totalCount": {Weight: scanWeight, Scan: true},
	"Profile.description":          {Weight: 8, Text: 4 * account.MaxDescription},
	"User.sessions":                {Weight: 10, Size: 50},
	"Session.deviceName":           {Text: 4 * account.MaxDeviceName},
	"Session.userAgent":            {Text: 4 * account.MaxUserAgent},
}
