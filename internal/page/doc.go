// Package page serves the web page of aihooks. The page shows deliveries as they arrive, or the entries of an inbox, with the
// outcome of each and its reason. Its files are embedded and need no build step. It gets its data from a [Source].
//
//	ring := live.New(live.Options{Title: "http://127.0.0.1:8787", Replay: replay})
//	handler, err := page.New(ring, page.Options{Token: token})
//	...
//	ring.Add(page.Detail{Item: page.Item{Vendor: "greenflash", Verdict: "handled", Tone: page.Good}, Body: body})
//
// # Safety
//
// The page shows data from the network, and its actions can run callbacks. [New] returns it for a separate listener, and
// [NewMounted] for a server that has a login. Therefore:
//
//   - It refuses requests from other origins, both reads and writes.
//   - Its Content-Security-Policy lets the browser run, load and contact only the page itself.
//   - It inserts every byte of a payload as text, and marks characters that would reorder or hide others.
//
// The page of New also has no login. Therefore:
//
//   - It accepts only requests whose Host is localhost, an IP address or one of [Options].Hosts. This prevents DNS rebinding.
//   - It requires [Options].Token, because other users of this machine can reach a loopback address.
package page
