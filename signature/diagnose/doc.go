// Package diagnose explains in one sentence why a delivery was refused. For example, the secret has a line break at its
// end, the body was parsed and serialized again, or a clock is wrong.
//
// [Explain] tries the known causes one at a time, and reports only a cause that it has proven. Its sentence is for logs
// and tests, and must not go to the sender. Package signature does not need this package to verify.
package diagnose
