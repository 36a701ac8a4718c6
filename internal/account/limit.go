package account

import "time"

// Limit is how many events are allowed in a window of time.
type Limit struct {
	Max    int
	Window time.Duration
}
