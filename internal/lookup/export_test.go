package lookup

// Size returns the numbers of cached names.
func (c *Cache[V]) Size() (known, unknown int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.known), len(c.unknown)
}
