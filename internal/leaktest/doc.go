// Package leaktest checks with goleak that a receiver leaves no goroutine behind. It is a module of its own, so that
// goleak is nobody's requirement.
package leaktest
