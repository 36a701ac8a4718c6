package password

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/text/unicode/norm"

	"latchkey/internal/account"
)

func hashed(t testing.TB, h *Hasher, password string) string {
	t.Helper()
	encoded, err := h.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestVerify(t *testing.T) {
	h := NewHasher(1)
	long := strings.Repeat("\u1fbe\u0308\u0301", MaxLength) // the longest spelling of 256 times ΐ
	for _, test := range []struct {
		name, chosen, tried string
		ok                  bool
	}{
		{"the same", "i-keep-jumping", "i-keep-jumping", true},
		{"another", "i-keep-jumping", "i-keep-jumpinh", false},
		{"empty", "i-keep-jumping", "", false},
		{"upper case", "i-keep-jumping", "I-keep-jumping", false},
		{"space before", "i-keep-jumping", " i-keep-jumping", false},
		{"space after", "i-keep-jumping", "i-keep-jumping ", false},
		{"space kept", " i keep jumping\t", " i keep jumping\t", true},
		{"space cut", " i keep jumping\t", "i keep jumping", false},
		{"composed, then decomposed", norm.NFC.String("crème brûlée"), norm.NFD.String("crème brûlée"), true},
		{"decomposed, then composed", norm.NFD.String("crème brûlée"), norm.NFC.String("crème brûlée"), true},
		{"without accents", "crème brûlée", "creme brulee", false},
		{"compatibility form", "fiddlesticks", "ﬁddlesticks", false},
		{"longest", strings.Repeat("🔑", MaxLength), strings.Repeat("🔑", MaxLength), true},
		{"longest, longest spelling", norm.NFC.String(long), long, true},
		{"nothing is cut off", strings.Repeat("k", MaxLength), strings.Repeat("k", MaxLength+1), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			ok, err := h.Verify(t.Context(), hashed(t, h, test.chosen), test.tried)
			if ok != test.ok || err != nil {
				t.Errorf("Verify = %v, %v; want %v", ok, err, test.ok)
			}
		})
	}
}

func TestVerifyReference(t *testing.T) {
	// From the tests of the reference implementation of argon2.
	for _, encoded := range []string{
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
		"$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$kCXUjmjvc5XMqQedpMTsOv+zyJEf5PhtGiUghW9jFyw",
	} {
		if ok, err := NewHasher(1).Verify(t.Context(), encoded, "password"); !ok || err != nil {
			t.Errorf("Verify(%s) = %v, %v; want true", encoded, ok, err)
		}
		if ok, err := NewHasher(1).Verify(t.Context(), encoded, "differentpassword"); ok || err != nil {
			t.Errorf("Verify(%s) = %v, %v; want false", encoded, ok, err)
		}
	}
}

func TestVerifyUnknownUser(t *testing.T) {
	for _, password := range []string{"", "i-keep-jumping", strings.Repeat("k", 5*maxBytes), "\xff"} {
		if ok, err := NewHasher(1).Verify(t.Context(), "", password); ok || err != nil {
			t.Errorf("Verify(%.20q) = %v, %v; want false", password, ok, err)
		}
	}
}

func TestVerifyRefusedPassword(t *testing.T) {
	h := NewHasher(1)
	ofNothing := argon2idHash{argon2idParams: currentParams, salt: dummy.salt, key: currentParams.derive("", dummy.salt, keySize)}.String()
	for _, password := range []string{"", strings.Repeat("k", MaxLength+1), "with\x00nul", "lone\uFFFDsurrogate", "\xff"} {
		if ok, err := h.Verify(t.Context(), ofNothing, password); ok || err != nil {
			t.Errorf("Verify(%.20q) = %v, %v; want false", password, ok, err)
		}
	}
}

func TestVerifyMalformedHash(t *testing.T) {
	secret := "c2VjcmV0c2VjcmV0c2VjcmV0"
	ok, err := NewHasher(1).Verify(t.Context(), "$argon2id$v=19$m=999999999,t=2,p=1$c29tZXNhbHQ$"+secret, "i-keep-jumping")
	if ok || err == nil {
		t.Fatalf("Verify = %v, %v; want an error", ok, err)
	}
	if shown := new(account.Error); errors.As(err, &shown) {
		t.Errorf("Verify fails with %s, which a client would see", shown.Code)
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the error quotes the hash: %v", err)
	}
}

// spent returns how many KiB a call takes, which tells how much it computes and, unlike time, is steady.
func spent(call func()) uint32 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return uint32((after.TotalAlloc - before.TotalAlloc) >> 10)
}

func TestVerifySpendsTheSame(t *testing.T) {
	h := NewHasher(1)
	stored := hashed(t, h, "i-keep-jumping")
	older := func(c argon2idParams) string {
		return argon2idHash{argon2idParams: c, salt: dummy.salt, key: c.derive("i-keep-jumping", dummy.salt, keySize)}.String()
	}
	for _, test := range []struct {
		name, encoded, password string
		want                    uint32 // KiB
	}{
		{"right", stored, "i-keep-jumping", currentParams.memory},
		{"wrong", stored, "you-keep-jumping", currentParams.memory},
		{"unknown user", "", "i-keep-jumping", currentParams.memory},
		{"too long", stored, strings.Repeat("k", 5*maxBytes), currentParams.memory},
		{"too long, unknown user", "", strings.Repeat("k", 5*maxBytes), currentParams.memory},
		{"empty", stored, "", currentParams.memory},
		{"empty, unknown user", "", "", currentParams.memory},
		{"less memory", older(argon2idParams{memory: 4096, passes: 2, lanes: 1}), "i-keep-jumping", currentParams.memory},
		{"fewer passes", older(argon2idParams{memory: currentParams.memory, passes: 1, lanes: 1}), "i-keep-jumping", currentParams.memory + currentParams.memory*2/5},
		{"more lanes", older(argon2idParams{memory: currentParams.memory, passes: 2, lanes: 4}), "i-keep-jumping", currentParams.memory},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := spent(func() {
				if _, err := h.Verify(t.Context(), test.encoded, test.password); err != nil {
					t.Fatal(err)
				}
			})
			if got < test.want || got > test.want+1024 {
				t.Errorf("spent %d KiB, want %d", got, test.want)
			}
		})
	}
}

// BenchmarkSilence compares a wrong password for older hashes with one for nobody's: the ratio is what the time tells.
func BenchmarkSilence(b *testing.B) {
	h := NewHasher(1)
	for _, c := range []argon2idParams{currentParams, {8192, 1, 1}, {12288, 3, 1}, {currentParams.memory, 1, 1}, {4096, 2, 1}} {
		encoded := argon2idHash{argon2idParams: c, salt: dummy.salt, key: c.derive("i-keep-jumping", dummy.salt, keySize)}.String()
		b.Run(fmt.Sprintf("m=%d,t=%d", c.memory, c.passes), func(b *testing.B) {
			var old, none []time.Duration
			for b.Loop() {
				for _, tried := range []struct {
					encoded string
					times   *[]time.Duration
				}{{encoded, &old}, {"", &none}} {
					start := time.Now()
					if ok, err := h.Verify(b.Context(), tried.encoded, "you-keep-jumping"); ok || err != nil {
						b.Fatal(ok, err)
					}
					*tried.times = append(*tried.times, time.Since(start))
				}
			}
			slices.Sort(old)
			slices.Sort(none)
			b.ReportMetric(float64(old[len(old)/2])/float64(none[len(none)/2]), "ratio")
		})
	}
}

func TestHash(t *testing.T) {
	h := NewHasher(1)
	one, two := hashed(t, h, "i-keep-jumping"), hashed(t, h, "i-keep-jumping")
	if one == two {
		t.Error("two hashes share their salt")
	}
	if prefix := "$argon2id$v=19$m=19456,t=2,p=1$"; !strings.HasPrefix(one, prefix) || len(one) != len(prefix)+22+1+43 {
		t.Errorf("Hash = %s", one)
	}
}

func TestHashRefuses(t *testing.T) {
	for password, want := range map[string]account.Code{
		"":                                 account.Required,
		"with\x00nul":                      account.Invalid,
		"lone\uFFFDsurrogate":              account.Invalid,
		"not\xffUTF-8":                     account.Invalid,
		strings.Repeat("k", MaxLength+1):   account.TooLong,
		strings.Repeat("\xff", 5*maxBytes): account.TooLong,
	} {
		if encoded, err := NewHasher(1).Hash(t.Context(), password); encoded != "" || !account.IsCode(err, want) {
			t.Errorf("Hash(%.20q) = %q, %v; want %s", password, encoded, err, want)
		}
	}
}

func TestNeedsRehash(t *testing.T) {
	salt, key := make([]byte, saltSize), make([]byte, keySize)
	for _, test := range []struct {
		name    string
		encoded string
		want    bool
	}{
		{"today's", hashed(t, NewHasher(1), "i-keep-jumping"), false},
		{"less memory", argon2idHash{argon2idParams{12288, 2, 1}, salt, key}.String(), true},
		{"fewer passes", argon2idHash{argon2idParams{19456, 1, 1}, salt, key}.String(), true},
		{"more lanes", argon2idHash{argon2idParams{19456, 2, 2}, salt, key}.String(), true},
		{"stronger", argon2idHash{argon2idParams{65536, 3, 1}, salt, key}.String(), true},
		{"short salt", argon2idHash{currentParams, salt[:8], key}.String(), true},
		{"short key", argon2idHash{currentParams, salt, key[:16]}.String(), true},
		{"another scheme", "$2b$12$abcdefghijklmnopqrstuv", true},
	} {
		if got := NeedsRehash(test.encoded); got != test.want {
			t.Errorf("%s: NeedsRehash = %v, want %v", test.name, got, test.want)
		}
	}
}

// calls are the two ways into the queue.
var calls = map[string]func(h *Hasher, ctx context.Context) error{
	"Hash": func(h *Hasher, ctx context.Context) error {
		_, err := h.Hash(ctx, "i-keep-jumping")
		return err
	},
	"Verify": func(h *Hasher, ctx context.Context) error {
		_, err := h.Verify(ctx, "", "i-keep-jumping")
		return err
	},
}

func TestQueueRefusesWithinTwoSeconds(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := busy(2)
				start := time.Now()
				err := call(h, t.Context())
				if waited := time.Since(start); waited != 1500*time.Millisecond {
					t.Errorf("waited %v, want 1.5s", waited)
				}
				var refusal *account.Error
				if !errors.As(err, &refusal) || refusal.Code != account.RateLimited || refusal.RetryAfter != 2*time.Second {
					t.Errorf("got %#v, want RATE_LIMITED", err)
				}
				if len(h.slots) != 2 {
					t.Errorf("%d places taken, want 2", len(h.slots))
				}
			})
		})
	}
}

func TestQueueWaitsForAPlace(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := busy(1)
				start := time.Now()
				time.AfterFunc(1499*time.Millisecond, func() { <-h.slots })
				if err := call(h, t.Context()); err != nil {
					t.Error(err)
				}
				if waited := time.Since(start); waited != 1499*time.Millisecond {
					t.Errorf("waited %v, want 1.499s", waited)
				}
				if len(h.slots) != 0 {
					t.Error("the place was not given back")
				}
			})
		})
	}
}

func TestQueueEndsWithContext(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := busy(1)
				start := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				if err := call(h, ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want context.Canceled", err)
				}
				if waited := time.Since(start); waited != time.Second {
					t.Errorf("waited %v, want 1s", waited)
				}
				<-h.slots
				for range 20 { // both are ready, and select would choose by lot
					if err := call(h, ctx); !errors.Is(err, context.Canceled) {
						t.Fatalf("with a free place: got %v, want context.Canceled", err)
					}
				}
				if len(h.slots) != 0 {
					t.Error("a place was kept")
				}
			})
		})
	}
}

// TestQueueLeavesAProcessorToOthers while they wait for one.
func TestQueueLeavesAProcessorToOthers(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := NewHasher(2)
				h.cpuContended = func() bool { return true }
				h.contendedSlots <- struct{}{} // somebody hashes
				start := time.Now()
				time.AfterFunc(time.Second, func() { <-h.contendedSlots })
				if err := call(h, t.Context()); err != nil || time.Since(start) != time.Second {
					t.Errorf("%v after %v, want a turn after a second", err, time.Since(start))
				}
				h.contendedSlots <- struct{}{}
				if err := call(h, t.Context()); !account.IsCode(err, account.RateLimited) {
					t.Errorf("got %v, want RATE_LIMITED", err)
				}
				<-h.contendedSlots
				if len(h.slots) != 0 {
					t.Error("a place was kept")
				}
			})
		})
	}
}

// TestQueueCountsWhoWorks, and not who still waits for other work.
func TestQueueCountsWhoWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(2)
		h.cpuContended = func() bool { return true }
		enter := func() (release func()) {
			release, err := h.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return release
		}
		release := enter()
		start := time.Now()
		time.AfterFunc(time.Second, release)
		go func() {
			time.Sleep(time.Second / 2)
			if q := h.Queue(); q.Running != 1 || q.Waiting != 1 || q.Entered != 1 {
				t.Errorf("beside one who works and one who waits the queue is %+v", q)
			}
		}()
		release = enter()
		if time.Since(start) != time.Second {
			t.Errorf("got a turn after %v, want a second", time.Since(start))
		}
		release()
		synctest.Wait()
		if q := h.Queue(); q.Running != 0 || q.Waiting != 0 || len(h.contendedSlots) != 0 || len(h.slots) != 0 {
			t.Errorf("afterwards the queue is %+v", q)
		}
	})
}

func TestQueueHasAPlace(t *testing.T) {
	if ok, err := NewHasher(0).Verify(t.Context(), hashed(t, NewHasher(0), "i-keep-jumping"), "i-keep-jumping"); !ok {
		t.Errorf("Verify = %v, %v; want true", ok, err)
	}
}

// busy returns a Hasher with every place taken.
func busy(workers int) *Hasher {
	h := NewHasher(workers)
	for range workers {
		h.slots <- struct{}{}
	}
	return h
}

func BenchmarkVerify(b *testing.B) {
	h := NewHasher(1)
	for name, encoded := range map[string]string{"known": hashed(b, h, "i-keep-jumping"), "unknown": ""} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := h.Verify(b.Context(), encoded, "you-keep-jumping"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
