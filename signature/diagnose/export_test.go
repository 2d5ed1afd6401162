package diagnose

// A Cost is the cost of an explanation.
type Cost struct {
	Spent int64 // bytes of the budget
	MACs  int64 // MACs of live keys
}

// ExplainCost explains in, and returns the cost.
func ExplainCost(in Input) (Explanation, Cost) {
	d := newDiagnoser(&in)
	e := d.explain()
	return e, Cost{Spent: budget - d.left, MACs: d.computed}
}
