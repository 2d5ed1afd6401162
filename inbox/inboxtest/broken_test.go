package inboxtest

import (
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A fault is a way in which an engine breaks rules. Its text describes it.
type fault string

const (
	none fault = ""

	listsOldestFirst        fault = "the oldest entry is listed first"
	listsBodies             fault = "bodies are listed"
	ignoresCursor           fault = "every page is the first"
	ignoresLimit            fault = "a page has all entries"
	ignoresText             fault = "a list ignores its filter's text"
	textIgnoredByOperations fault = "operations ignore their filter's text"
	neverRerunsDone         fault = "Rerun never selects a done entry"
	operatesInTwoSteps      fault = "an operation selects and changes in two steps"
	entriesHaveNoBody       fault = "Entry returns no body"
	pausesNothing           fault = "Pause does nothing"
	pausesTheVendor         fault = "Pause of a type pauses the vendor"
	resumesNothing          fault = "Resume does nothing"
	auditsNothing           fault = "operations leave no record"
	auditsNobody            fault = "records do not name the actor"
	auditsOldestFirst       fault = "the oldest change is listed first"

	losesOnReopen      fault = "deliveries are lost when the inbox is opened again"
	writesLater        fault = "Enqueue returns before it has written"
	insertsInTwoSteps  fault = "the lookup and the insert are not atomic"
	storesTwice        fault = "a duplicate is reported and stored again"
	duplicatesAreNew   fault = "a duplicate is not reported"
	forgetsDone        fault = "done deliveries are forgotten"
	forgetsDeadLetters fault = "dead letters are forgotten"
	otherBodyIsNew     fault = "a duplicate with another body is new"
	alwaysOtherContent fault = "every duplicate is reported with another body"
	foldsKeys          fault = "keys ignore case"
	cutsKeys           fault = "keys are cut at 200 bytes"
	comparesAllKeys    fault = "all keys together identify a delivery"
	bodyAsText         fault = "the body is stored as text"
	bodyTrimmed        fault = "whitespace around the body is removed"
	bodyCut            fault = "bodies are cut below a megabyte"
	textEndsAtNUL      fault = "text is cut at a NUL"
	headerAdded        fault = "a header is added"
	headerForgotten    fault = "the headers are not stored"
	headerSingle       fault = "only one value of each header is stored"
	timeInMilliseconds fault = "times are stored in milliseconds"
	storesOneKey       fault = "only the first key is stored"

	countsEverything      fault = "every attempt counts"
	countsNothing         fault = "no attempt counts"
	countsInFlight        fault = "an attempt with a key in flight counts"
	countsShutdown        fault = "an attempt with a handler that is shut down counts"
	countsNoPanic         fault = "a panic does not count"
	countsNoRetryAfter    fault = "a RetryAfter does not count"
	alwaysFirstAttempt    fault = "every attempt has number one"
	attemptsInMemory      fault = "attempts are only in memory"
	keepsOneAttempt       fault = "only the last attempt is stored"
	keepsAllAttempts      fault = "the history has no limit"
	keepsNoErrors         fault = "the errors of attempts are not stored"
	keepsWholeErrors      fault = "errors are not cut off"
	failsOnNUL            fault = "an error with a NUL cannot be stored"
	noBackoff             fault = "failures are retried without a backoff"
	backsOffInFlight      fault = "keys in flight are retried after a backoff"
	backsOffRetryAfter    fault = "a RetryAfter is replaced by the backoff"
	overflows             fault = "times in the far future overflow"
	retriesPermanent      fault = "permanent failures are retried"
	retriesUndecodable    fault = "undecodable bodies are retried"
	deadLettersTheFirst   fault = "the first failure makes a dead letter"
	deadLettersDuplicates fault = "completed keys make dead letters"

	neverAlerts           fault = "OnDeadLetter is not called"
	alertsTwice           fault = "OnDeadLetter is called twice"
	alertsInSlot          fault = "OnDeadLetter uses the slot of a callback"
	alertsTooEarly        fault = "OnDeadLetter is called before the dead letter is stored"
	alertsWithoutAttempts fault = "OnDeadLetter gets no attempts"
	newestFirst           fault = "the newest dead letter is listed first"
	idsByProcess          fault = "IDs of entries differ between processes"
	lockedWhileListed     fault = "a listing blocks changes"
	ignoresType           fault = "a filter's type is ignored"
	ignoresState          fault = "a filter's state is ignored"
	ignoresTimes          fault = "a filter's times are ignored"
	fromExcluded          fault = "a filter's From is exclusive"
	untilIncluded         fault = "a filter's Until is inclusive"
	emptyIsAll            fault = "an empty filter selects everything"
	findsNothing          fault = "an unknown ID is no error"
	onlyMatchesID         fault = "a filter with an ID ignores the other fields"
	countsOne             fault = "operations always return one"
	retriesOnce           fault = "Retry allows only one attempt"
	retryForgets          fault = "Retry deletes the history"
	retryIsRerun          fault = "Retry uses new keys"
	retryUnderFirstKeys   fault = "Retry after Rerun uses the first keys"
	rerunsUnderOldKeys    fault = "Rerun uses the old keys"
	rerunsUnderOneKey     fault = "every Rerun uses the same keys"
	discardForgets        fault = "discarded deliveries are forgotten"

	countsDeadAsPending fault = "Stats counts dead letters as pending"
	countsNoDeferred    fault = "Stats never counts deferred deliveries"
	countsDiscarded     fault = "Stats counts discarded deliveries as dead letters"
	countsOneEndpoint   fault = "Stats counts all deliveries for one endpoint"
	countsNoTotal       fault = "Stats counts no totals"
	oldestNeverZero     fault = "the oldest due delivery may not be due"
	oldestIsNow         fault = "the oldest due delivery has never waited"

	warnsNothing              fault = "a missing handler is not reported"
	deadLettersWithoutHandler fault = "a missing handler makes dead letters"
	finishesUnhandled         fault = "a missing callback makes deliveries done"
	deadLettersUnhandled      fault = "a missing callback makes dead letters"
	neverResumes              fault = "deferred deliveries are never resumed"
	takesAnyHandlers          fault = "conflicting handlers are accepted"
	addsNothing               fault = "Add adds nothing"
	removesNothing            fault = "Remove removes nothing"
	oneRunAtATime             fault = "Runs of one process exclude each other"
	noConcurrency             fault = "Concurrency is ignored"
	noVendorLimits            fault = "the limits of vendors are ignored"
	noEndpointLimits          fault = "the limits of endpoints are ignored"
	startsTooFew              fault = "no limit is reached"

	ignoresDeadline       fault = "Shutdown waits for the DrainTimeout"
	doesNotWait           fault = "Run does not wait for callbacks"
	cancelsAtOnce         fault = "Run cancels callbacks at once"
	startsAtTheEnd        fault = "Run starts a callback after its end"
	retriesAtTheEnd       fault = "callbacks that end after Run's context are retried"
	refusesAfterRun       fault = "Enqueue fails after a Run has returned"
	keepsCanceledLeases   fault = "canceled deliveries keep their lease"
	hidesDrainError       fault = "Run returns no DrainError"
	spins                 fault = "a handler that is shut down is retried in a loop"
	wakesNoRun            fault = "no Run is notified of new deliveries"
	wakesOnlyItself       fault = "only Runs of the same process are notified"
	takesInTwoSteps       fault = "finding and leasing are not atomic"
	leasesEndEarly        fault = "leases end after half their time"
	leasesNeverEnd        fault = "leases never end"
	renewsNothing         fault = "leases are not renewed"
	lossesLeaveNoTrace    fault = "lost attempts are not recorded"
	lossesNeverDeadLetter fault = "lost attempts never make a dead letter"
	lossesCountAtOnce     fault = "the first lost attempt counts"
	lossesHaveNoBackoff   fault = "lost deliveries are retried without a backoff"
	suspectsRunTogether   fault = "suspects run at the same time"
	unfenced              fault = "a late result is recorded"
)

// andOthers marks a fault that also breaks other rules, which depend on timing.
const andOthers = "and others"

// breaks has the rules that each fault breaks.
var breaks = map[fault][]string{
	losesOnReopen:             {"EnqueuedIsDurable", "ConcurrentEnqueuesStoreOnce", "DuplicateIsNotRun", "RetryAfterMayBeLong", "AttemptsPersist", "DeadLettersAreListedInOrder", "RetryResetsAttempts", "RerunUsesNewKeys", "DiscardedIsDone", "DeliveryWithoutCallbackStays", "EnqueueWorksWithoutRun", "AnyProcessRunsStoredDeliveries", "LostDeliveryIsRetried", "CrashingDeliveryIsDeadLettered", "LateResultChangesNothing", "ShutdownHasOneDeadline", "StatsCountEntries", "DeferredMayBeDiscarded", "LongCallbackKeepsLease", "SuspectsRunOneAtATime"},
	writesLater:               {"EnqueuedIsDurable", "ConcurrentEnqueuesStoreOnce"},
	insertsInTwoSteps:         {"ConcurrentEnqueuesStoreOnce"},
	storesTwice:               {"ConcurrentEnqueuesStoreOnce", "DuplicateIsNotRun", "CompletedKeyIsNotRun", "DiscardedIsDone", "DeliveryWithoutCallbackStays", "DeferredMayBeDiscarded"},
	duplicatesAreNew:          {"EnqueuedIsDurable", "ConcurrentEnqueuesStoreOnce", "DuplicateIsNotRun", "FirstKeyDecides", "CompletedKeyIsNotRun", "RetryAfterMayBeLong", "RetryResetsAttempts", "RerunUsesNewKeys", "DiscardedIsDone", "DeliveryWithoutCallbackStays", "OtherBodyIsDuplicate", "DeferredMayBeDiscarded"},
	forgetsDone:               {"DuplicateIsNotRun", "CompletedKeyIsNotRun", "RetryResetsAttempts", "RerunUsesNewKeys", "DiscardedIsDone", "DeferredMayBeDiscarded"},
	forgetsDeadLetters:        {"DuplicateIsNotRun"},
	otherBodyIsNew:            {"FirstKeyDecides", "OtherBodyIsDuplicate"},
	alwaysOtherContent:        {"OtherBodyIsDuplicate", "EnqueuedIsDurable", "ConcurrentEnqueuesStoreOnce", "DuplicateIsNotRun", "CompletedKeyIsNotRun", "RetryAfterMayBeLong", "RetryResetsAttempts", "RerunUsesNewKeys", "DiscardedIsDone", "DeferredMayBeDiscarded", "DeliveryWithoutCallbackStays"},
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
	alwaysFirstAttempt:        {"FailureIsRetriedAfterBackoff", "RetryAfterCounts", "ExhaustedDeliveryIsDeadLettered", "AttemptsPersist", "LongHistoryKeepsFirstAndLast", "OnDeadLetterIsCalledOnce", "RetryResetsAttempts", "LostDeliveryIsRetried"},
	attemptsInMemory:          {"AttemptsPersist", "ShutdownHasOneDeadline", "CrashingDeliveryIsDeadLettered"},
	keepsOneAttempt:           {"KeyInFlightIsRetriedUncounted", "RetryAfterCounts", "ExhaustedDeliveryIsDeadLettered", "AttemptsPersist", "LongHistoryKeepsFirstAndLast", "RetryResetsAttempts", "RerunUsesNewKeys", "CallbackIsCanceledAfterDrainTimeout", "LostDeliveryIsRetried", "ShutdownHasOneDeadline"},
	keepsAllAttempts:          {"KeyInFlightIsRetriedUncounted", "LongHistoryKeepsFirstAndLast"},
	keepsNoErrors:             {"KeyInFlightIsRetriedUncounted", "RetryAfterCounts", "PermanentFailureIsDeadLettered", "UndecodableBodyIsDeadLettered", "ExhaustedDeliveryIsDeadLettered", "AttemptsPersist", "LongHistoryKeepsFirstAndLast", "RetryResetsAttempts", "CallbackIsCanceledAfterDrainTimeout", "LostDeliveryIsRetried", "ErrorMayBeAnyText", "ShutdownHasOneDeadline"},
	keepsWholeErrors:          {"ErrorMayBeAnyText"},
	failsOnNUL:                {"ErrorMayBeAnyText"},
	noBackoff:                 {"FailureIsRetriedAfterBackoff", "RetryAfterIsHonored", "RetryAfterMayBeLong", "StatsCountEntries"},
	backsOffInFlight:          {"KeyInFlightIsRetriedUncounted"},
	backsOffRetryAfter:        {"RetryAfterIsHonored", "RetryAfterMayBeLong"},
	overflows:                 {"RetryAfterMayBeLong"},
	retriesPermanent:          {"DuplicateIsNotRun", "DeliveryIsUnchanged", "NoSecretIsStored", "PermanentFailureIsDeadLettered", "OnDeadLetterIsCalledOnce", "DeadLettersAreListedInOrder", "FilterAppliesAllFields", "FilterWithoutMatches", "RetryOfCompletedIsDone", "RerunUsesNewKeys", "DiscardedIsDone", "BulkOperations", "DeadLettersMayChangeWhileListed", "ErrorMayBeAnyText", "SlowOnDeadLetterBlocksNothing", "RetryRunsPermanentFailures", "StatsCountEntries", "DeferredMayBeDiscarded"},
	retriesUndecodable:        {"UndecodableBodyIsDeadLettered", "RetryRunsPermanentFailures"},
	deadLettersTheFirst:       {"FailureIsRetriedAfterBackoff", "ExhaustedDeliveryIsDeadLettered", "AttemptsPersist", "LongHistoryKeepsFirstAndLast", "RetryResetsAttempts", "RerunUsesNewKeys", "CallbackIsCanceledAfterDrainTimeout", "ShutdownHasOneDeadline", "RetryAfterIsHonored", "RetryAfterMayBeLong", "RetryAfterCounts", "StatsCountEntries", "LostDeliveryIsRetried"},
	deadLettersDuplicates:     {"CompletedKeyIsNotRun", "RetryOfCompletedIsDone"},
	neverAlerts:               {"OnDeadLetterIsCalledOnce", "RetryResetsAttempts", "CrashingDeliveryIsDeadLettered", "SlowOnDeadLetterBlocksNothing"},
	alertsTwice:               {"OnDeadLetterIsCalledOnce", "RetryResetsAttempts", "CrashingDeliveryIsDeadLettered", "SlowOnDeadLetterBlocksNothing"},
	alertsInSlot:              {"SlowOnDeadLetterBlocksNothing"},
	alertsTooEarly:            {"OnDeadLetterIsCalledOnce"},
	alertsWithoutAttempts:     {"OnDeadLetterIsCalledOnce"},
	ignoresState:              {"DeferredMayBeDiscarded", "StatsCountEntries"},
	newestFirst:               {"DeadLettersAreListedInOrder"},
	idsByProcess:              {"DeadLettersAreListedInOrder", "RetryResetsAttempts", "RerunUsesNewKeys"},
	lockedWhileListed:         {"DeadLettersMayChangeWhileListed"},
	ignoresType:               {"FilterAppliesAllFields", "FilterWithoutMatches", "BulkOperations"},
	ignoresTimes:              {"FilterAppliesAllFields", "FilterWithoutMatches", "BulkOperations"},
	fromExcluded:              {"FilterAppliesAllFields", "BulkOperations"},
	untilIncluded:             {"FilterAppliesAllFields", "BulkOperations"},
	emptyIsAll:                {"FilterWithoutMatches"},
	findsNothing:              {"FilterWithoutMatches", "DeferredMayBeDiscarded"},
	onlyMatchesID:             {"FilterWithoutMatches"},
	countsOne:                 {"BulkOperations", "StatsCountEntries"},
	retriesOnce:               {"RetryResetsAttempts"},
	retryForgets:              {"RetryResetsAttempts"},
	retryIsRerun:              {"RetryResetsAttempts", "RetryOfCompletedIsDone", "RetryAfterRerunKeepsKeys"},
	retryUnderFirstKeys:       {"RetryAfterRerunKeepsKeys"},
	rerunsUnderOldKeys:        {"RerunUsesNewKeys", "RetryAfterRerunKeepsKeys"},
	rerunsUnderOneKey:         {"RerunUsesNewKeys", "RetryAfterRerunKeepsKeys"},
	discardForgets:            {"DiscardedIsDone", "StatsCountEntries", "DeferredMayBeDiscarded"},
	countsDeadAsPending:       {"StatsCountEntries"},
	countsNoDeferred:          {"StatsCountEntries"},
	countsDiscarded:           {"StatsCountEntries"},
	countsOneEndpoint:         {"StatsCountEntries"},
	countsNoTotal:             {"StatsCountEntries"},
	oldestNeverZero:           {"StatsCountEntries"},
	oldestIsNow:               {"StatsCountEntries"},
	warnsNothing:              {"DeliveryWithoutHandlerStays"},
	deadLettersWithoutHandler: {"DeliveryWithoutHandlerStays", andOthers},
	finishesUnhandled:         {"DeliveryWithoutCallbackStays", "StatsCountEntries", "DeferredMayBeDiscarded"},
	deadLettersUnhandled:      {"DeliveryWithoutCallbackStays", "StatsCountEntries", "DeferredMayBeDiscarded", "EntryIsComplete"},
	neverResumes:              {"DeliveryWithoutCallbackStays", "DeferredMayBeDiscarded"},
	takesAnyHandlers:          {"RunRefusesConflictingHandlers", "HandlersAreAddedAndRemoved"},
	addsNothing:               {"HandlersAreAddedAndRemoved"},
	removesNothing:            {"HandlersAreAddedAndRemoved"},
	oneRunAtATime:             {"SeveralRunsShareAnInbox"},
	noConcurrency:             {"ConcurrencyIsReachedNotExceeded", "RunWaitsForCallbacks", "HandlersAreAddedAndRemoved"},
	noVendorLimits:            {"VendorLimitIsReachedNotExceeded"},
	noEndpointLimits:          {"EndpointLimitIsReachedNotExceeded"},
	startsTooFew:              {"ConcurrencyIsReachedNotExceeded", "VendorLimitIsReachedNotExceeded", "EndpointLimitIsReachedNotExceeded", "HandlersAreAddedAndRemoved"},
	ignoresDeadline:           {"ShutdownHasOneDeadline"},
	doesNotWait:               {"RunWaitsForCallbacks", "CallbackIsCanceledAfterDrainTimeout", "SuccessAfterCancelIsDone", "LostDeliveryIsRetried", "CrashingDeliveryIsDeadLettered", "LateResultChangesNothing", "ShutdownHasOneDeadline", "SuspectsRunOneAtATime", "LongCallbackKeepsLease"},
	cancelsAtOnce:             {"RunWaitsForCallbacks", "CallbackIsCanceledAfterDrainTimeout"},
	startsAtTheEnd:            {"RunWaitsForCallbacks", "EndedRunStartsNothing"},
	retriesAtTheEnd:           {"RunWaitsForCallbacks", "SuccessAfterCancelIsDone"},
	refusesAfterRun:           {"CompletedKeyIsNotRun", "FilterWithoutMatches", "RetryResetsAttempts", "BulkOperations", "DeliveryWithoutHandlerStays", "DeliveryWithoutCallbackStays", "SeveralRunsShareAnInbox", "RunWaitsForCallbacks", "EnqueueWorksWithoutRun", "SuccessAfterCancelIsDone", "ShutdownHasOneDeadline"},
	keepsCanceledLeases:       {"CallbackIsCanceledAfterDrainTimeout", "ShutdownHasOneDeadline"},
	hidesDrainError:           {"LostDeliveryIsRetried", "CrashingDeliveryIsDeadLettered", "LateResultChangesNothing", "SuspectsRunOneAtATime", "LongCallbackKeepsLease"},
	wakesNoRun:                {"AnyProcessRunsStoredDeliveries", andOthers},
	wakesOnlyItself:           {"RetryResetsAttempts", "AnyProcessRunsStoredDeliveries"},
	takesInTwoSteps:           {"ProcessesShareDeliveries"},
	leasesEndEarly:            {"LostDeliveryIsRetried"},
	leasesNeverEnd:            {"LostDeliveryIsRetried", "CrashingDeliveryIsDeadLettered", "LateResultChangesNothing", "SuspectsRunOneAtATime", "LongCallbackKeepsLease"},
	renewsNothing:             {"LongCallbackKeepsLease"},
	lossesLeaveNoTrace:        {"LostDeliveryIsRetried", "CrashingDeliveryIsDeadLettered", "SuspectsRunOneAtATime"},
	lossesNeverDeadLetter:     {"CrashingDeliveryIsDeadLettered"},
	lossesCountAtOnce:         {"LostDeliveryIsRetried", "CrashingDeliveryIsDeadLettered", "SuspectsRunOneAtATime"},
	lossesHaveNoBackoff:       {"SuspectsRunOneAtATime"},
	suspectsRunTogether:       {"SuspectsRunOneAtATime"},
	unfenced:                  {"LateResultChangesNothing"},
	listsOldestFirst:          {"ListFiltersAndPages"},
	listsBodies:               {"ListHasEveryState"},
	ignoresCursor:             {"ListFiltersAndPages"},
	ignoresLimit:              {"ListFiltersAndPages"},
	ignoresText:               {"ListFiltersAndPages", "RunFollowsPauses"},
	textIgnoredByOperations:   {"TextSelectsDeadLetters"},
	operatesInTwoSteps:        {"OperatorsShareDeadLetters"},
	neverRerunsDone:           {"DoneEntryIsRerun"},
	entriesHaveNoBody:         {"EntryIsComplete"},
	pausesNothing:             {"PausedCallbacksWait", "RunFollowsPauses", "ChangesAreAudited"},
	pausesTheVendor:           {"PausedCallbacksWait", "RunFollowsPauses", "ChangesAreAudited"},
	resumesNothing:            {"PausedCallbacksWait", "RunFollowsPauses", "ChangesAreAudited"},
	auditsNothing:             {"ChangesAreAudited"},
	auditsNobody:              {"ChangesAreAudited"},
	auditsOldestFirst:         {"ChangesAreAudited"},
}

// With AIHOOKS_TEST_LONG=1, the test also checks that no other rule is broken. That takes a minute.
func TestRun_FailsRulesOfFault(t *testing.T) {
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

func TestRun_FailsSpinningEngine(t *testing.T) { // not in a synctest bubble: its time would not advance
	only := rulesNamed("HandlerMayBeShutDownFirst")
	failures := broken(t, only, Options{Open: openMemory(spins, time.Minute), Lease: time.Minute})
	require.Contains(t, failures["HandlerMayBeShutDownFirst"], "deliveries were attempted")
}
