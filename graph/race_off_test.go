//go:build !race

package graph

import "time"

// mayCompute is what a request may cost.
const mayCompute = 100 * time.Millisecond
