//go:build race

package graph

import "time"

// mayCompute is what a request may cost under the race detector, which makes everything several times slower.
const mayCompute = 3 * time.Second
