package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
)

// operation is a GraphQL operation to measure.
type operation struct {
	name     string
	document string
	// variables returns those of one request.
	variables func(v *visitor) map[string]any
	signedIn  bool
	renews    bool // the response has the session's next refresh token
	pageSize  int  // of a list, else 0
	baseline  baselineKind
}

// baselineKind is what an operation is compared with in addition to the bare handler; empty for none.
type baselineKind string

const (
	rows    baselineKind = "SELECT and JSON"
	hashes  baselineKind = "argon2id"
	commits baselineKind = "commits"
)

const pageDocument = `query ($first: Int) { profiles(first: $first) { edges { node {
	id username description location isOrganizer dateJoined updatedOn } } pageInfo { hasNextPage endCursor } } }`

var operations = []operation{
	{
		name: "me", signedIn: true,
		document: `query { me { id username email role createdAt profile { id description location isOrganizer } } }`,
	},
	{
		name: "profile", signedIn: true,
		document: `query ($id: ID!) { profile(id: $id) {
			id username description location isOrganizer dateJoined updatedOn } }`,
		variables: func(v *visitor) map[string]any { return map[string]any{"id": v.profile} },
	},
	page(20),
	page(50),
	{
		name: "updateProfile", signedIn: true,
		document: `mutation ($id: ID!, $input: ProfileInput!) { updateProfile(id: $id, input: $input) {
			profile { id location updatedOn } userErrors { code field } } }`,
		variables: func(v *visitor) map[string]any {
			return map[string]any{"id": v.profile, "input": map[string]any{"location": "Rome"}}
		},
	},
	{
		name: "refreshToken", renews: true, baseline: commits,
		document: `mutation ($input: RefreshTokenInput!) { refreshToken(input: $input) {
			tokens { accessToken accessTokenExpiresAt refreshToken } userErrors { code field } } }`,
		variables: func(v *visitor) map[string]any {
			return map[string]any{"input": map[string]any{"refreshToken": v.refreshToken()}}
		},
	},
	{
		name: "obtainToken", baseline: hashes,
		document: `mutation ($input: ObtainTokenInput!) { obtainToken(input: $input) {
			user { id username } tokens { accessToken accessTokenExpiresAt refreshToken } userErrors { code field } } }`,
		variables: func(v *visitor) map[string]any {
			return map[string]any{"input": map[string]any{"identifier": v.nextUsername(), "password": userPassword}}
		},
	},
	{
		name: "register", baseline: hashes,
		document: `mutation ($input: RegisterInput!) { register(input: $input) {
			user { id username } tokens { accessToken } userErrors { code field } } }`,
		variables: func(v *visitor) map[string]any {
			name := fmt.Sprint("registered", registered.Add(1))
			return map[string]any{"input": map[string]any{"username": name, "password": userPassword}}
		},
	},
}

func page(size int) operation {
	return operation{
		name: fmt.Sprintf("page of %d", size), signedIn: true, document: pageDocument, pageSize: size, baseline: rows,
		variables: func(*visitor) map[string]any { return map[string]any{"first": size} },
	}
}

var registered atomic.Int64

// visitor is a client that repeats one operation.
type visitor struct {
	operation operation
	access    string // empty unless the operation requires a signed-in user
	profile   string
	tokens    []string // refresh tokens of its sessions
	turn      int
	users     int
	request   []byte // nil unless it is always the same
}

// refreshToken returns the refresh token of the session whose turn it is.
func (v *visitor) refreshToken() string { return v.tokens[v.turn%len(v.tokens)] }

// nextUsername returns another username each time.
func (v *visitor) nextUsername() string { return username(int(usernamesUsed.Add(1)) % v.users) }

var usernamesUsed atomic.Int64

func (v *visitor) next() []byte {
	if v.request != nil {
		return v.request
	}
	var variables map[string]any
	if v.operation.variables != nil {
		variables = v.operation.variables(v)
	}
	request := query(v.access, v.operation.document, variables)
	if v.operation.signedIn {
		v.request = request
	}
	return request
}

// query returns a GraphQL request.
func query(accessToken, document string, variables map[string]any) []byte {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		panic(err) // only for values that JSON cannot encode
	}
	return post("/graphql", accessToken, body)
}

var refreshed = []byte(`"refreshToken":"`)

func (v *visitor) took(answer []byte) (served bool, err error) {
	if bytes.Contains(answer, []byte(`"code":"RATE_LIMITED"`)) {
		v.turn++
		return false, nil
	}
	if bytes.Contains(answer, []byte(`"code":`)) {
		return false, fmt.Errorf("%s: %s", v.operation.name, answer)
	}
	if !v.operation.renews {
		return true, nil
	}
	_, rest, found := bytes.Cut(answer, refreshed)
	text, _, closed := bytes.Cut(rest, []byte(`"`))
	if !found || !closed {
		return false, errors.New("refreshToken: no token in the response")
	}
	v.tokens[v.turn%len(v.tokens)] = string(text)
	v.turn++
	return true, nil
}
