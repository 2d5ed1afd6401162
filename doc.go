// Package aihooks is a map of the module. It has no code.
//
// To receive webhooks, import the vendor's package and mount its handler:
//
//	greenflash, emberqa, convosphere, workflux   a handler with a method for each event
//	standardwebhooks                             a handler for every sender of Standard Webhooks
//	greenflashtest, …                            a test kit, below each vendor's package
//
// What all handlers share:
//
//	webhook                 options, deliveries, outcomes, and the server
//	signature               signing keys, and how signatures are verified
//	signature/diagnose      why a signature did not match
//	signature/keysource     keys from files, folders and secrets managers, exchanged while serving
//	idempotency             duplicates: the store in memory, and the interface of stores
//	idempotency/sqlstore    the store on PostgreSQL and SQLite; redisstore is a separate module
//	inbox                   respond at once, run later; the engines sqlite, river and jetstream are separate modules
//	inbox/inboxweb          a page for the operators of an inbox
//
// For the author of a vendor's package, a store or an engine:
//
//	webhook/vendors, webhook/webhooktest         a vendor as data, and its test kit
//	idempotency/idempotencytest                  the rules of a store, as tests
//	inbox/engine, inbox/inboxtest                the parts of an engine, and its rules as tests
//
// The command cmd/aihooks sends, receives and explains deliveries, and operates inboxes. The README shows the first use.
package aihooks
