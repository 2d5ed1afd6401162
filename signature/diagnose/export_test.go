package diagnose

import "hash"

// A Cost is the cost of an explanation.
type Cost struct {
	Spent int64 // bytes of the budget
	MACs  int64 // MACs of live keys
}

// ExplainCost explains in, and returns the cost.
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
