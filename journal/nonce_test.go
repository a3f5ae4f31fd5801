package journal

import "testing"

// A nonce is never used twice under a key, also not when an LSN is: a torn batch
// is written again with the same LSNs.
func TestNonceIsUsedOnce(t *testing.T) {
	p := &plan{batch: func(i int) []shape { return []shape{{clear: 10, sealed: 20, keyID: 1, fill: 'x'}} }}
	seen := map[string]bool{}
	disk := newCrashFS()
	before := disk.image()
	for life := range 3 { // each begins where the first did: what came after was torn
		s := &session{t: t, disk: mount(before), plan: p, next: min(life, 1) * 5, tag: 1}
		if err := s.begin(); err != nil {
			t.Fatal(err)
		}
		s.append(5)
		if life == 0 {
			before = s.disk.image()
		}
		for _, r := range all(t, s.log, LSN(s.next-4)) {
			nonce := string(r.Sealed[:nonceLen])
			if seen[nonce] {
				t.Errorf("entry %d: its nonce was used before", r.LSN)
			}
			seen[nonce] = true
		}
		s.end()
	}
	if len(seen) != 15 {
		t.Errorf("%d nonces of 15", len(seen))
	}
}
