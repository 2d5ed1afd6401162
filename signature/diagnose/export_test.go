package diagnose

import "hash"

// A Cost is what an explanation took.
type Cost struct {
	Spent int64 // of the budget
	MACs  int64 // that live keys have begun
}

// ExplainCost explains in, and returns what that took.
func ExplainCost(in Input) (Explanation, Cost) {
	d := newDiagnoser(&in)
	var cost Cost
	for _, k := range d.live {
		k.mac = countingHash{k.keyed(), &cost.MACs}
	}
	e := d.explain()
	cost.Spent = budget - d.left
	return e, cost
}

type countingHash struct {
	hash.Hash
	count *int64
}

func (h countingHash) Reset() {
	*h.count++
	h.Hash.Reset()
}
