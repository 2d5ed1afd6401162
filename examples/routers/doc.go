// Package routers mounts the same handlers on net/http, chi, gin, echo, fiber and AWS Lambda. Each has two routes: one for a vendor
// that signs, and one for EmberQA, whose credential is in the path. Copy the file for your router. Its tests use the real router.
//
// The handler must get the body exactly as it was sent. Use middleware that reads or decodes bodies only on other routes.
package routers
