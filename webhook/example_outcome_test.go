package webhook_test

import (
	"fmt"
	"log"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

// To rotate a secret, accept both for a while. Observations show which key signed a delivery.
func ExampleHandler_SetKeys() {
	hook := newHook(webhook.Options{})
	if err := hook.SetKeys(signature.NewKey("2026-11", "the new secret"), signature.NewKey("2025-11", workfluxSecret)); err != nil {
		log.Fatal(err)
	}
	post(hook, "user.message", `{}`) // still signed with the old secret
	// Once the vendor signs with the new one:
	if err := hook.SetKeys(signature.NewKey("2026-11", "the new secret")); err != nil {
		log.Fatal(err)
	}
	post(hook, "user.message", `{}`)
	// Output:
	// 200 {"received":true}
	// 401 {"received":false}
}

// A tool can say what an operator does about an outcome and its reason.
func ExampleOutcome_Help() {
	means, action := webhook.DeadLettered.Help()
	fmt.Println(means, action)
	means, action = webhook.ReasonUndecodable.Help()
	fmt.Println(means, action)
	// Output:
	// The delivery is not tried again. DeadLetter or the inbox has it. Fix the cause, then retry or discard it.
	// The body does not fit the Go type of the event. Compare the body with the type. Report it: the vendor's format may have changed.
}
