// Package diagnose explains, in one sentence, why a delivery was refused: the secret has a line break at its end, the body
// was parsed and written again, a clock is wrong.
//
// [Explain] tries the causes that are known of webhooks, one at a time, and claims only what it has proven. Its sentence goes
// into logs and tests, and must not go to the sender. Package signature verifies without this package.
package diagnose
