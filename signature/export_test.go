package signature

import (
	"hash"
	"sync/atomic"
)

// CountMACs makes every live key of r count the MACs that it starts.
func CountMACs(r *Keyring) *atomic.Int64 {
	count := new(atomic.Int64)
	var counting []*liveKey
	for _, k := range r.keys() {
		c := &liveKey{Key: k.Key, bounded: k.bounded, version: k.version, algorithm: k.algorithm}
		c.macs.New = func() any {
			m := k.macs.New().(*mac)
			m.hash = countingHash{m.hash, count}
			return m
		}
		counting = append(counting, c)
	}
	r.live.Store(&counting)
	return count
}

type countingHash struct {
	hash.Hash
	count *atomic.Int64
}

func (h countingHash) Reset() {
	h.count.Add(1)
	h.Hash.Reset()
}
