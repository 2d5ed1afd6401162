package inboxtest

import (
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A fault is how an engine may break a rule.
type fault string

const (
	none fault = ""

	losesOnReopen      fault = "what was stored is gone once the inbox is opened again"
	writesLater        fault = "Enqueue returns before it has written"
	insertsInTwoSteps  fault = "the look-up and the insert are two steps"
	storesTwice        fault = "a duplicate is told, and stored all the same"
	duplicatesAreNew   fault = "a duplicate is not told"
	forgetsDone        fault = "what is done is forgotten"
	forgetsDeadLetters fault = "what is dead is forgotten"
	otherBodyIsNew     fault = "a duplicate with another body is new"
	alwaysOther        fault = "every duplicate has another body"
	foldsKeys          fault = "keys are compared without regard to case"
	cutsKeys           fault = "keys are cut at 200 bytes"
	comparesAllKeys    fault = "deliveries are recognised by all their keys together"
	bodyAsText         fault = "the body is stored as text"
	bodyTrimmed        fault = "white space around the body is dropped"
	bodyCut            fault = "bodies are cut at a megabyte, less a byte"
	textEndsAtNUL      fault = "text ends at a NUL"
	headerAdded        fault = "a header is stored that was none of the delivery's"
	headerForgotten    fault = "the headers are not stored"
	headerSingle       fault = "one value of each header is stored"
	timeInMilliseconds fault = "times are stored in milliseconds"
	storesOneKey       fault = "the first key alone is stored"

	countsEverything      fault = "every attempt counts"
	countsNothing         fault = "no attempt counts"
	countsInFlight        fault = "finding a key in flight counts"
	countsShutdown        fault = "finding a handler shut down counts"
	countsNoPanic         fault = "a panic does not count"
	countsNoRetryAfter    fault = "a RetryAfter does not count"
	alwaysTheFirst        fault = "every attempt is the first"
	attemptsInMemory      fault = "attempts are kept in memory"
	keepsOneAttempt       fault = "the last attempt alone is kept"
	keepsAllAttempts      fault = "all attempts are kept, however many"
	keepsNoErrors         fault = "the errors of attempts are not kept"
	keepsWholeErrors      fault = "errors are kept in full"
	chokesOnNUL           fault = "an error with a NUL in it cannot be stored"
	noBackoff             fault = "what has failed is run again at once"
	backsOffInFlight      fault = "what is in flight is run again after a backoff"
	backsOffRetryAfter    fault = "a RetryAfter is run again after a backoff"
	overflows             fault = "times that are far away overflow"
	retriesPermanent      fault = "what has failed for good is tried again"
	retriesMisfits        fault = "what does not fit is tried again"
	deadLettersTheFirst   fault = "the first failure is the last"
	deadLettersDuplicates fault = "what is found completed is dead"

	alertsNobody          fault = "OnDeadLetter is not called"
	alertsTwice           fault = "OnDeadLetter is called twice"
	alertsInPlace         fault = "OnDeadLetter takes the place of a callback"
	alertsTooEarly        fault = "OnDeadLetter is called ahead of the storage"
	alertsWithoutAttempts fault = "OnDeadLetter is not told of the attempts"
	newestFirst           fault = "the newest dead letter is listed first"
	namesByProcess        fault = "entries have another ID in each process"
	lockedWhileListed     fault = "nothing can be changed while dead letters are listed"
	ignoresType           fault = "a filter's type is ignored"
	ignoresState          fault = "a filter's state is ignored"
	ignoresTimes          fault = "a filter's times are ignored"
	fromExcluded          fault = "a filter's beginning is excluded"
	untilIncluded         fault = "a filter's end is included"
	emptyIsAll            fault = "an empty filter selects everything"
	findsNothing          fault = "an unknown ID is no error"
	idAlone               fault = "a filter with an ID is not narrowed down"
	countsOne             fault = "operations return one, however many there were"
	retriesOnce           fault = "what is retried has one attempt"
	retryForgets          fault = "what is retried has no history"
	retryIsRerun          fault = "what is retried runs under keys of its own"
	retryUnderFirstKeys   fault = "what was rerun is retried under its first keys"
	rerunsUnderOldKeys    fault = "what is rerun runs under the keys that it had"
	rerunsUnderOneKey     fault = "what is rerun twice runs under the same keys twice"
	discardForgets        fault = "what is discarded is forgotten"

	saysNothing               fault = "nothing is said of what has no handler"
	deadLettersWithoutHandler fault = "what has no handler is dead"
	finishesUnhandled         fault = "what has no callback is done"
	deadLettersUnhandled      fault = "what has no callback is dead"
	waitsForGood              fault = "what has no callback waits for good"
	takesAnyHandlers          fault = "two handlers for the same are one"
	addsNothing               fault = "Add adds nothing"
	removesNothing            fault = "Remove removes nothing"
	oneRunAtATime             fault = "Runs of one process wait for one another"
	noConcurrency             fault = "Concurrency is ignored"
	noVendorLimits            fault = "the limits of vendors are ignored"
	noEndpointLimits          fault = "the limits of endpoints are ignored"
	startsTooFew              fault = "no limit is reached"

	ignoresDeadline       fault = "Shutdown waits for the DrainTimeout"
	doesNotWait           fault = "Run does not wait for callbacks"
	cancelsAtOnce         fault = "Run cancels callbacks at once"
	startsAtTheEnd        fault = "Run starts something after its end"
	forgetsAtTheEnd       fault = "what ends after Run's context is run again"
	refusesAfterRun       fault = "nothing is taken after a Run has returned"
	keepsWhatWasCancelled fault = "what was cancelled keeps its lease"
	hidesWhatIsLeft       fault = "Run does not say what it has left"
	spins                 fault = "a handler that was shut down is tried again and again"
	wakesNobody           fault = "a Run looks every hour"
	wakesItself           fault = "a Run looks every hour, but at what its own process has taken"
	takesInTwoSteps       fault = "finding and taking are two steps"
	leasesEndEarly        fault = "leases end after half their time"
	leasesNeverEnd        fault = "leases never end"
	lossesLeaveNoTrace    fault = "lost attempts are not put down"
	lossesNeverDeadLetter fault = "lost attempts have no end"
	lossesCountAtOnce     fault = "the first lost attempt counts"
	lossesHaveNoBackoff   fault = "what was lost is run again at once"
	suspectsRunTogether   fault = "suspects run next to one another"
	unfenced              fault = "what comes of a callback is put down whoever has the delivery"
)

// andOthers says that a fault breaks further rules, which of them depends on who comes first.
const andOthers = "and others"

// breaks are the rules that each fault breaks.
var breaks = map[fault][]string{
	losesOnReopen:             {"EnqueuedIsDurable", "ConcurrentEnqueuesStoreOnce", "DuplicateIsNotRun", "RetryAfterMayBeLong", "AttemptsPersist", "DeadLettersAreListedInOrder", "RetryResetsAttempts", "RerunUsesNewKeys", "DiscardedIsDone", "DeliveryWithoutCallbackStays", "EnqueueWorksWithoutRun", "AnyProcessRunsStoredDeliveries", "LostDeliveryIsRetried", "CrashingDeliveryIsDeadLettered", "LateResultChangesNothing", "ShutdownHasOneDeadline"},
	writesLater:               {"EnqueuedIsDurable", "ConcurrentEnqueuesStoreOnce"},
	insertsInTwoSteps:         {"ConcurrentEnqueuesStoreOnce"},
	storesTwice:               {"ConcurrentEnqueuesStoreOnce", "DuplicateIsNotRun", "CompletedKeyIsNotRun", "DiscardedIsDone", "DeliveryWithoutCallbackStays"},
	duplicatesAreNew:          {"EnqueuedIsDurable", "ConcurrentEnqueuesStoreOnce", "DuplicateIsNotRun", "FirstKeyDecides", "CompletedKeyIsNotRun", "RetryAfterMayBeLong", "RetryResetsAttempts", "RerunUsesNewKeys", "DiscardedIsDone", "DeliveryWithoutCallbackStays"},
	forgetsDone:               {"DuplicateIsNotRun", "CompletedKeyIsNotRun", "RetryResetsAttempts", "RerunUsesNewKeys", "DiscardedIsDone"},
	forgetsDeadLetters:        {"DuplicateIsNotRun"},
	otherBodyIsNew:            {"FirstKeyDecides", "OtherBodyIsDuplicate"},
	alwaysOther:               {"OtherBodyIsDuplicate"},
	foldsKeys:                 {"FirstKeyDecides"},
	cutsKeys:                  {"FirstKeyDecides"},
	comparesAllKeys:           {"FirstKeyDecides", "RerunUsesNewKeys"},
	bodyAsText:                {"DeliveryIsUnchanged"},
	bodyTrimmed:               {"DeliveryIsUnchanged"},
	bodyCut:                   {"DeliveryIsUnchanged"},
	textEndsAtNUL:             {"DeliveryIsUnchanged"},
	headerAdded:               {"DeliveryIsUnchanged", "NoSecretIsStored"},
	headerForgotten:           {"DeliveryIsUnchanged"},
	headerSingle:              {"DeliveryIsUnchanged"},
	timeInMilliseconds:        {"DeliveryIsUnchanged"},
	storesOneKey:              {"DeliveryIsUnchanged", "RerunUsesNewKeys"},
	countsEverything:          {"KeyInFlightIsRetriedUncounted", "DeliveryWithoutCallbackStays", "CallbackIsCanceledAfterDrainTimeout", "HandlerMayBeShutDownFirst", "ShutdownHasOneDeadline"},
	countsNothing:             {"KeyInFlightIsRetriedUncounted", "FailureIsRetriedAfterBackoff", "RetryAfterCounts", "PermanentFailureIsDeadLettered", "UndecodableBodyIsDeadLettered", "ExhaustedDeliveryIsDeadLettered", "AttemptsPersist", "LongHistoryKeepsFirstAndLast", "OnDeadLetterIsCalledOnce", "RetryResetsAttempts", "RerunUsesNewKeys", "DeliveryWithoutHandlerStays", "DeliveryWithoutCallbackStays", "CallbackIsCanceledAfterDrainTimeout", "HandlerMayBeShutDownFirst", "LostDeliveryIsRetried", "ShutdownHasOneDeadline", "HandlersAreAddedAndRemoved"},
	countsInFlight:            {"KeyInFlightIsRetriedUncounted"},
	countsShutdown:            {"HandlerMayBeShutDownFirst"},
	countsNoPanic:             {"ExhaustedDeliveryIsDeadLettered"},
	countsNoRetryAfter:        {"RetryAfterCounts"},
	alwaysTheFirst:            {"FailureIsRetriedAfterBackoff", "RetryAfterCounts", "ExhaustedDeliveryIsDeadLettered", "AttemptsPersist", "LongHistoryKeepsFirstAndLast", "OnDeadLetterIsCalledOnce", "RetryResetsAttempts", "LostDeliveryIsRetried"},
	attemptsInMemory:          {"AttemptsPersist", "ShutdownHasOneDeadline"},
	keepsOneAttempt:           {"KeyInFlightIsRetriedUncounted", "RetryAfterCounts", "ExhaustedDeliveryIsDeadLettered", "AttemptsPersist", "LongHistoryKeepsFirstAndLast", "RetryResetsAttempts", "RerunUsesNewKeys", "CallbackIsCanceledAfterDrainTimeout", "LostDeliveryIsRetried", "ShutdownHasOneDeadline"},
	keepsAllAttempts:          {"KeyInFlightIsRetriedUncounted", "LongHistoryKeepsFirstAndLast"},
	keepsNoErrors:             {"KeyInFlightIsRetriedUncounted", "RetryAfterCounts", "PermanentFailureIsDeadLettered", "UndecodableBodyIsDeadLettered", "ExhaustedDeliveryIsDeadLettered", "AttemptsPersist", "LongHistoryKeepsFirstAndLast", "RetryResetsAttempts", "CallbackIsCanceledAfterDrainTimeout", "LostDeliveryIsRetried", "ErrorMayBeAnyText", "ShutdownHasOneDeadline"},
	keepsWholeErrors:          {"ErrorMayBeAnyText"},
	chokesOnNUL:               {"ErrorMayBeAnyText"},
	noBackoff:                 {"FailureIsRetriedAfterBackoff", "RetryAfterIsHonored", "RetryAfterMayBeLong"},
	backsOffInFlight:          {"KeyInFlightIsRetriedUncounted"},
	backsOffRetryAfter:        {"RetryAfterIsHonored", "RetryAfterMayBeLong"},
	overflows:                 {"RetryAfterMayBeLong"},
	retriesPermanent:          {"DuplicateIsNotRun", "DeliveryIsUnchanged", "NoSecretIsStored", "PermanentFailureIsDeadLettered", "OnDeadLetterIsCalledOnce", "DeadLettersAreListedInOrder", "FilterAppliesAllFields", "FilterWithoutMatches", "RetryOfCompletedIsDone", "RerunUsesNewKeys", "DiscardedIsDone", "BulkOperations", "DeadLettersMayChangeWhileListed", "ErrorMayBeAnyText", "SlowOnDeadLetterBlocksNothing", "RetryRunsPermanentFailures"},
	retriesMisfits:            {"UndecodableBodyIsDeadLettered", "RetryRunsPermanentFailures"},
	deadLettersTheFirst:       {"FailureIsRetriedAfterBackoff", "ExhaustedDeliveryIsDeadLettered", "AttemptsPersist", "LongHistoryKeepsFirstAndLast", "RetryResetsAttempts", "RerunUsesNewKeys", "CallbackIsCanceledAfterDrainTimeout", "ShutdownHasOneDeadline"},
	deadLettersDuplicates:     {"CompletedKeyIsNotRun", "RetryOfCompletedIsDone"},
	alertsNobody:              {"OnDeadLetterIsCalledOnce", "RetryResetsAttempts", "CrashingDeliveryIsDeadLettered", "SlowOnDeadLetterBlocksNothing"},
	alertsTwice:               {"OnDeadLetterIsCalledOnce", "RetryResetsAttempts", "CrashingDeliveryIsDeadLettered", "SlowOnDeadLetterBlocksNothing"},
	alertsInPlace:             {"SlowOnDeadLetterBlocksNothing"},
	alertsTooEarly:            {"OnDeadLetterIsCalledOnce"},
	alertsWithoutAttempts:     {"OnDeadLetterIsCalledOnce"},
	ignoresState:              {"DeferredMayBeDiscarded"},
	newestFirst:               {"DeadLettersAreListedInOrder"},
	namesByProcess:            {"DeadLettersAreListedInOrder", "RetryResetsAttempts", "RerunUsesNewKeys"},
	lockedWhileListed:         {"DeadLettersMayChangeWhileListed"},
	ignoresType:               {"FilterAppliesAllFields", "FilterWithoutMatches", "BulkOperations"},
	ignoresTimes:              {"FilterAppliesAllFields", "FilterWithoutMatches", "BulkOperations"},
	fromExcluded:              {"FilterAppliesAllFields", "BulkOperations"},
	untilIncluded:             {"FilterAppliesAllFields", "BulkOperations"},
	emptyIsAll:                {"FilterWithoutMatches"},
	findsNothing:              {"FilterWithoutMatches"},
	idAlone:                   {"FilterWithoutMatches"},
	countsOne:                 {"BulkOperations"},
	retriesOnce:               {"RetryResetsAttempts"},
	retryForgets:              {"RetryResetsAttempts"},
	retryIsRerun:              {"RetryResetsAttempts", "RetryOfCompletedIsDone", "RetryAfterRerunKeepsKeys"},
	retryUnderFirstKeys:       {"RetryAfterRerunKeepsKeys"},
	rerunsUnderOldKeys:        {"RerunUsesNewKeys", "RetryAfterRerunKeepsKeys"},
	rerunsUnderOneKey:         {"RerunUsesNewKeys", "RetryAfterRerunKeepsKeys"},
	discardForgets:            {"DiscardedIsDone"},
	saysNothing:               {"DeliveryWithoutHandlerStays"},
	deadLettersWithoutHandler: {"DeliveryWithoutHandlerStays", andOthers},
	finishesUnhandled:         {"DeliveryWithoutCallbackStays"},
	deadLettersUnhandled:      {"DeliveryWithoutCallbackStays"},
	waitsForGood:              {"DeliveryWithoutCallbackStays"},
	takesAnyHandlers:          {"RunRefusesConflictingHandlers", "HandlersAreAddedAndRemoved"},
	addsNothing:               {"HandlersAreAddedAndRemoved"},
	removesNothing:            {"HandlersAreAddedAndRemoved"},
	oneRunAtATime:             {"SeveralRunsShareAnInbox"},
	noConcurrency:             {"ConcurrencyIsReachedNotExceeded", "RunWaitsForCallbacks", "HandlersAreAddedAndRemoved"},
	noVendorLimits:            {"VendorLimitIsReachedNotExceeded"},
	noEndpointLimits:          {"EndpointLimitIsReachedNotExceeded"},
	startsTooFew:              {"ConcurrencyIsReachedNotExceeded", "VendorLimitIsReachedNotExceeded", "EndpointLimitIsReachedNotExceeded", "HandlersAreAddedAndRemoved"},
	ignoresDeadline:           {"ShutdownHasOneDeadline"},
	doesNotWait:               {"RunWaitsForCallbacks", "CallbackIsCanceledAfterDrainTimeout", "SuccessAfterCancelIsDone", "LostDeliveryIsRetried", "CrashingDeliveryIsDeadLettered", "LateResultChangesNothing", "ShutdownHasOneDeadline", "SuspectsRunOneAtATime"},
	cancelsAtOnce:             {"RunWaitsForCallbacks", "CallbackIsCanceledAfterDrainTimeout"},
	startsAtTheEnd:            {"RunWaitsForCallbacks", "EndedRunStartsNothing"},
	forgetsAtTheEnd:           {"RunWaitsForCallbacks", "SuccessAfterCancelIsDone"},
	refusesAfterRun:           {"CompletedKeyIsNotRun", "FilterWithoutMatches", "RetryResetsAttempts", "BulkOperations", "DeliveryWithoutHandlerStays", "DeliveryWithoutCallbackStays", "SeveralRunsShareAnInbox", "RunWaitsForCallbacks", "EnqueueWorksWithoutRun", "SuccessAfterCancelIsDone", "ShutdownHasOneDeadline"},
	keepsWhatWasCancelled:     {"CallbackIsCanceledAfterDrainTimeout", "ShutdownHasOneDeadline"},
	hidesWhatIsLeft:           {"LostDeliveryIsRetried", "CrashingDeliveryIsDeadLettered", "LateResultChangesNothing", "SuspectsRunOneAtATime"},
	wakesNobody:               {"AnyProcessRunsStoredDeliveries", andOthers},
	wakesItself:               {"RetryResetsAttempts", "AnyProcessRunsStoredDeliveries"},
	takesInTwoSteps:           {"ProcessesShareDeliveries"},
	leasesEndEarly:            {"LostDeliveryIsRetried"},
	leasesNeverEnd:            {"LostDeliveryIsRetried", "CrashingDeliveryIsDeadLettered", "LateResultChangesNothing", "SuspectsRunOneAtATime"},
	lossesLeaveNoTrace:        {"LostDeliveryIsRetried", "CrashingDeliveryIsDeadLettered"},
	lossesNeverDeadLetter:     {"CrashingDeliveryIsDeadLettered"},
	lossesCountAtOnce:         {"LostDeliveryIsRetried", "CrashingDeliveryIsDeadLettered", "SuspectsRunOneAtATime"},
	lossesHaveNoBackoff:       {"SuspectsRunOneAtATime"},
	suspectsRunTogether:       {"SuspectsRunOneAtATime"},
	unfenced:                  {"LateResultChangesNothing"},
}

// With AIHOOKS_TEST_LONG=1 no other rule may be broken either, which takes a minute.
func TestEachFaultBreaksItsRules(t *testing.T) {
	for f, want := range breaks {
		t.Run(string(f), func(t *testing.T) {
			const lease = 300 * time.Millisecond
			others := slices.Contains(want, andOthers)
			want = slices.DeleteFunc(slices.Clone(want), func(name string) bool { return name == andOthers })
			tried := rules
			if others || os.Getenv("AIHOOKS_TEST_LONG") == "" {
				tried = rulesNamed(want...)
			}
			failures := broken(t, tried, Options{Open: openMemory(f, lease), Lease: lease, Patience: 2500 * time.Millisecond, Around: synctest.Test})
			got := []string{}
			for _, r := range tried {
				if failures[r.name] != "" {
					got = append(got, r.name)
					t.Logf("%s: %s", r.name, failures[r.name])
				}
			}
			require.ElementsMatch(t, want, got)
		})
	}
}

func TestEngineThatSpinsBreaksItsRule(t *testing.T) { // in a bubble time would stand still
	only := rulesNamed("HandlerMayBeShutDownFirst")
	failures := broken(t, only, Options{Open: openMemory(spins, time.Second), Lease: time.Second})
	require.Contains(t, failures["HandlerMayBeShutDownFirst"], "in half a second")
}
