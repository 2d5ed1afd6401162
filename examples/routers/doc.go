// Package routers mounts the same handlers on net/http, chi, gin, echo and fiber, and in an AWS Lambda function behind
// API Gateway: two routes each, one for a vendor that signs and one for EmberQA, whose credential rides in the path. Each
// file is for copying; its tests send through the real router.
//
// Whatever the router: the handler must get the body as it was sent. What reads the body, or decodes it, belongs on other
// routes.
package routers
