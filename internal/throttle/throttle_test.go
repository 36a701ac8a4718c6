package throttle

import (
	"testing"
	"time"
)

func TestDelay(t *testing.T) {
	g := PasswordAttempts{Free: 4, Max: 100}
	for failures, want := range map[int]time.Duration{
		0: 0, 4: 0, 5: time.Second, 6: 2 * time.Second, 14: 512 * time.Second, 15: 15 * time.Minute, 99: 15 * time.Minute,
	} {
		if have := g.Delay(failures); have != want {
			t.Errorf("after %d failures %s, want %s", failures, have, want)
		}
	}
	for _, failures := range []int{100, 101} {
		if have := g.Delay(failures); have < 100*365*24*time.Hour {
			t.Errorf("after %d failures %s, want for ever", failures, have)
		}
	}
}

func FuzzBucket(f *testing.F) {
	f.Add([]byte("key"), "mario")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, key []byte, name string) {
		bucket := Bucket(key, name)
		if len(bucket) != len("nobody_00000") || bucket != Bucket(key, name) {
			t.Errorf("%q goes to %q", name, bucket)
		}
	})
}
