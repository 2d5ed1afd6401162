// Package examples has a program in each folder. They share one module, which needs Go 1.26 or later.
//
//   - quickstart shows what every vendor's delivery, and everything that goes wrong with webhooks, is answered with.
//   - receiver is a whole service for the four vendors; the environment selects store and inbox.
//   - durable is the shortest service with an inbox.
//   - routers mounts a handler on net/http, chi, gin, echo, fiber and AWS Lambda.
package examples
