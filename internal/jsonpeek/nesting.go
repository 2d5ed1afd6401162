package jsonpeek

// nesting is a stack with one bit for each open object (1) or array (0). The innermost 64 are in one word, so that a
// document of usual depth allocates nothing.
type nesting struct {
	depth int
	inner uint64
	outer []uint64
}

func (n *nesting) inObject() bool { return n.inner&1 != 0 }

// push opens an object or an array. It returns false if the document is nested too deep.
func (n *nesting) push(object bool) bool {
	if n.depth >= 64 && !n.spill() {
		return false
	}
	n.inner <<= 1
	if object {
		n.inner |= 1
	}
	n.depth++
	return true
}

func (n *nesting) spill() bool {
	if n.depth == maxDepth {
		return false
	}
	if n.depth%64 == 0 {
		if n.outer == nil {
			n.outer = make([]uint64, 0, maxDepth/64)
		}
		n.outer = append(n.outer, n.inner)
	}
	return true
}

func (n *nesting) pop() {
	n.inner >>= 1
	n.depth--
	if n.depth >= 64 && n.depth%64 == 0 {
		last := len(n.outer) - 1
		n.inner, n.outer = n.outer[last], n.outer[:last]
	}
}
