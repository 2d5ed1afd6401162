// Package signtest has what tests of signatures share.
//
//   - scheme.go: schemes of a made-up vendor, and an HMAC that does not use package signature
//   - senders.go: schemes of senders that have no package here
//   - vectors.go, emberqa.go: the test vectors in signature/testdata; the README in that folder describes them
//   - cases.go and its neighbors: deliveries that are refused for one known mistake each
package signtest
