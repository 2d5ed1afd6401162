// Package page is the web page of aihooks: deliveries as they arrive, or the entries of an inbox, with what became of each
// and why. It is one embedded page without a build step, and the server for it; what it shows it asks of a [Source].
//
//	ring := live.New(live.Options{Title: "http://127.0.0.1:8787", Replay: replay})
//	handler, err := page.New(ring, page.Options{Token: token})
//	...
//	ring.Add(page.Detail{Item: page.Item{Vendor: "greenflash", Verdict: "handled", Tone: page.Good}, Body: body})
//
// # Safety
//
// What is shown came from the network, and the page can run callbacks again. So it answers only requests whose Host is this
// machine's own name for itself or one of [Options].Hosts, which ends DNS rebinding; it refuses what another origin asks for,
// reading as well as writing; it asks for [Options].Token, which keeps out other users of this machine, who can reach a
// loopback address; its policy lets the browser run, load and send nothing but its own; and every byte of a payload is put
// on the page as text, with marks for characters that would reorder or hide others.
package page
