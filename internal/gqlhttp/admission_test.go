package gqlhttp

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/account"
)

func TestSemaphore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := make(semaphore, 1)
		deadline := time.Now().Add(admissionTimeout)
		if err := s.acquire(t.Context(), deadline); err != nil {
			t.Fatal(err)
		}
		err := s.acquire(t.Context(), deadline)
		if e, ok := errors.AsType[*account.Error](err); !ok || e.Code != account.RateLimited || time.Now() != deadline {
			t.Errorf("after the deadline: %v", err)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.acquire(cancelled, time.Now().Add(time.Hour)); !errors.Is(err, context.Canceled) {
			t.Errorf("without a client: %v", err)
		}
		time.AfterFunc(time.Second, s.release)
		if err := s.acquire(t.Context(), time.Now().Add(admissionTimeout)); err != nil {
			t.Errorf("after a release: %v", err)
		}
	})
}

func TestByteBudget(t *testing.T) {
	b := newByteBudget()
	for _, step := range []struct {
		client string
		size   int
		ok     bool
	}{
		{"a", maxPendingPerClient, true},
		{"a", 1, false},
		{"b", maxPendingPerClient + 1, false},
		{"b", maxPendingPerClient, true},
		{"c", maxPendingPerClient, true},
		{"d", maxPendingPerClient, true},
		{"e", maxPendingPerClient, true},
		{"f", maxPendingPerClient, true},
		{"g", maxPendingPerClient, true},
		{"h", maxPendingPerClient - 1, true},
		{"i", 1, true},
		{"j", 1, false}, // the total
	} {
		if ok := b.reserve(step.client, step.size); ok != step.ok {
			t.Errorf("%+v: %t", step, ok)
		}
	}
	b.release("i", 1)
	if len(b.perClient) != 8 || !b.reserve("j", 1) {
		t.Errorf("after a release: %d clients", len(b.perClient))
	}
}
