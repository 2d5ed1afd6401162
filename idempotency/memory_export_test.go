package idempotency

// PassGeneration makes a quarter of the retention pass at once. For benchmarks, which cannot run in a bubble.
func (m *Memory) PassGeneration() { m.start = m.start.Add(-m.step) }
