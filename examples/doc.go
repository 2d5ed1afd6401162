// Package examples has a program in each folder. They share one module, which needs Go 1.26 or later.
//
//   - quickstart sends every vendor's deliveries, and the usual failures, to a receiver and prints the responses.
//   - receiver is a complete service for the four vendors. Environment variables select its store and inbox.
//   - durable is the shortest service with an inbox.
//   - ownvendor receives from GitHub, Stripe and Slack, which aihooks has no packages for.
//   - alerts posts alerts about dead letters to Slack.
//   - routers mounts handlers on net/http, chi, gin, echo, fiber and AWS Lambda.
package examples
