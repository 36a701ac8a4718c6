// Package client is generated from docs/clients.graphql: the typed client of an application in Go.
package client

//go:generate go run github.com/Khan/genqlient
