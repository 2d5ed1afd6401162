package riverinbox

// ListAtMost sets how many jobs List reads for one page.
func (b *Inbox) ListAtMost(n int) { b.maxListed = n }
