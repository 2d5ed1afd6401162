// Package crashtest proves of an inbox that it loses nothing and runs nothing twice: it plays the vendors, with their
// retry schedules, against receivers that are processes of their own and are killed and replaced while it sends, and
// goes over the accounts at the end.
//
// It knows no engine. A test gives it the command that starts a receiver, which calls [Receiver.Serve], and the rows that
// the callbacks have written.
//
//	fleet := crashtest.NewFleet(t, 1, command)
//	sender := crashtest.Sender{Deliveries: crashtest.Deliveries(1000), Fleet: fleet, …}
//	go sender.Send()
//	fleet.Torment(10, sender.Progress)
//	crashtest.Accounts{…}.Check(t)
//
// It is for Unix only: receivers are ended by SIGTERM and SIGUSR1.
package crashtest
