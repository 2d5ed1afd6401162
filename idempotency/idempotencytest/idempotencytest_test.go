package idempotencytest

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A failureRecorder records the failure of a rule instead of failing the test.
type failureRecorder struct {
	testing.TB
	failure string
}

func (r *failureRecorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// broken runs the suite, and returns the failures by the names of the broken rules.
func broken(t *testing.T, o Options) map[string]string {
	t.Helper()
	o, err := o.withDefaults()
	require.NoError(t, err)
	failures := make(map[string]string)
	for _, r := range rules {
		o.Around(t, func(t *testing.T) {
			recorder := &failureRecorder{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				r.test(recorder, o)
			}()
			<-done
			if recorder.failure != "" {
				require.Contains(t, recorder.failure, r.says)
				failures[r.name] = recorder.failure
			}
		})
	}
	return failures
}

func TestRun_PassesCorrectStore(t *testing.T) {
	Run(t, Options{New: newSimple(none), Around: synctest.Test})
}

func TestRun_FailsExactlyRulesOfFault(t *testing.T) {
	for _, test := range []struct {
		fault  fault
		breaks []string
	}{
		{noExclusivity, []string{"OneOfManyConcurrentClaimsIsAcquired", "OneOfManyConcurrentClaimsOfAReleasedKeyIsAcquired", "OneOfManyConcurrentClaimsAfterALeaseHasEndedIsAcquired", "CompletionAndRetakeExcludeOneAnother", "RenewalAndRetakeExcludeOneAnother"}},
		{leaseNeverEnds, []string{"LeaseEnds", "RenewedLeaseEnds", "RenewalWithEndedContextChangesNothing", "OneOfManyConcurrentClaimsAfterALeaseHasEndedIsAcquired"}},
		{staleCompletes, []string{"StaleTokenCannotComplete", "CompletionAndRetakeExcludeOneAnother", "TokenOfAForgottenCompletionIsStale"}},
		{releaseIgnored, []string{"ReleasedKeyIsFreeAtOnce", "OneOfManyConcurrentClaimsOfAReleasedKeyIsAcquired", "CompleteAfterReleaseIsLeaseLost", "RenewalAfterReleaseIsLeaseLost"}},
		{releaseUndoes, []string{"ReleaseDoesNotUndoACompletion"}},
		{attemptsForgotten, []string{"RenewalKeepsTheAttemptCount", "ReleaseKeepsTheAttemptCount", "ReleasedKeyCountsOnForItsRetention"}},
		{lateCompleteRefused, []string{"CompleteSucceedsAfterTheLeaseUntilRetaken"}},
		{forgottenEarly, []string{"CompletedKeyIsKeptForItsRetention"}},
		{neverForgotten, []string{"RenewalAfterCompletionDoesNotExtendTheRetention", "CompletedKeyIsForgottenAfterItsRetention"}},

		{leaseEndsEarly, []string{"LeaseIsKeptToItsEnd", "InFlightReportsTheRemainingLease"}},
		{staleReleases, []string{"StaleTokenCannotRelease", "ReleaseOfAKeyThatIsNotHeldIsNoError"}},
		{completesOnce, []string{"CompleteTwiceIsNoError"}},
		{releasedCompletes, []string{"CompleteAfterReleaseIsLeaseLost"}},
		{countedFromClaim, []string{"RetentionIsCountedFromTheCompletion"}},
		{attemptsNotCounted, []string{"AbandonedKeyCountsOnAfterARenewal", "AttemptsCountUpWhenALeaseHasEnded", "AbandonedKeyCountsOnForItsRetention"}},
		{attemptsNeverRestart, []string{"AttemptsStartAgainOnceAKeyIsForgotten"}},
		{folded, []string{"KeysDoNotInfluenceOneAnother", "KeyThatCannotBeKeptIsRefused"}},
		{trimmed, []string{"KeysDoNotInfluenceOneAnother", "KeyThatCannotBeKeptIsRefused"}},
		{noRemaining, []string{"RenewalExtendsTheLease", "InFlightReportsTheRemainingLease"}},
		{wholeLeaseRemaining, []string{"RenewalExtendsTheLease", "InFlightReportsTheRemainingLease"}},
		{contextIgnored, []string{"RenewalWithEndedContextChangesNothing", "EndedContextChangesNothing"}},
		{retentionUnderstated, []string{"RetentionIsAtLeastWhatWasAskedFor"}},
		{releaseUnknownFails, []string{"ReleaseOfAKeyThatIsNotHeldIsNoError"}},
		{holderIsWelcome, []string{"KeyInFlightCannotBeClaimed"}},
		{firstIsZero, []string{"FirstClaimIsAttemptOne"}},
		{completeCreates, []string{"CompleteOfAnUnknownKeyIsLeaseLost"}},
		{anyLease, []string{"RenewalIsLongerThanZero", "LeaseIsLongerThanZero"}},
		{inFlightForgotten, []string{"KeyInFlightIsKeptPastTheRetention", "AbandonedKeyCountsOnForItsRetention"}},
		{releasedForgotten, []string{"ReleasedKeyCountsOnForItsRetention"}},
		{abandonedForgotten, []string{"AbandonedKeyCountsOnForItsRetention"}},
		{cutAtNUL, []string{"KeyThatCannotBeKeptIsRefused"}},
		{madeValid, []string{"KeyThatCannotBeKeptIsRefused"}},
		{completesInTwoSteps, []string{"CompletionAndRetakeExcludeOneAnother"}},
		{completionRemembered, []string{"TokenOfAForgottenCompletionIsStale"}},
		{releasedKept, []string{"KeyThatIsNotInFlightIsForgotten"}},
		{tagsIgnored, []string{"CompletedComparesTags"}},
		{tagsDiffer, []string{"CompletedComparesTags"}},
		{renewIgnored, []string{"AbandonedKeyCountsOnAfterARenewal", "RenewalAfterCompletionDoesNotExtendTheRetention", "RenewalAfterReleaseIsLeaseLost", "RenewalAndRetakeExcludeOneAnother", "RenewalExtendsTheLease", "RenewalOfAnUnknownKeyIsLeaseLost", "RenewalSucceedsAfterTheLeaseUntilRetaken", "RenewedKeyIsKeptPastTheRetention", "RenewedLeaseIsKeptToItsEnd", "StaleTokenCannotRenew"}},
		{renewEndsEarly, []string{"AbandonedKeyCountsOnAfterARenewal", "RenewalExtendsTheLease", "RenewedLeaseIsKeptToItsEnd"}},
		{renewAdds, []string{"RenewalExtendsTheLease", "RenewedLeaseEnds"}},
		{renewShortens, []string{"RenewalDoesNotShortenTheLease"}},
		{renewCounts, []string{"AbandonedKeyCountsOnAfterARenewal", "RenewalKeepsTheAttemptCount"}},
		{lateRenewRefused, []string{"RenewalSucceedsAfterTheLeaseUntilRetaken"}},
		{staleRenews, []string{"RenewalAndRetakeExcludeOneAnother", "StaleTokenCannotRenew"}},
		{renewCreates, []string{"RenewalOfAnUnknownKeyIsLeaseLost"}},
		{releasedRenews, []string{"RenewalAfterReleaseIsLeaseLost"}},
		{renewRestarts, []string{"RenewalAfterCompletionDoesNotExtendTheRetention", "RenewalAfterCompletionIsNoError"}},
		{renewKeepsCompleted, []string{"RenewalAfterCompletionDoesNotExtendTheRetention"}},
		{renewCompletedFails, []string{"RenewalAfterCompletionIsNoError"}},
		{renewedForgotten, []string{"AbandonedKeyCountsOnAfterARenewal", "RenewedKeyIsKeptPastTheRetention"}},
		{renewsInTwoSteps, []string{"RenewalAndRetakeExcludeOneAnother"}},
	} {
		t.Run(string(test.fault), func(t *testing.T) {
			failures := broken(t, Options{New: newSimple(test.fault), Around: synctest.Test})
			var names []string
			for _, r := range rules {
				if failures[r.name] != "" {
					names = append(names, r.name)
					t.Logf("%s: %s", r.name, failures[r.name])
				}
			}
			slices.Sort(test.breaks)
			slices.Sort(names)
			require.Equal(t, test.breaks, names)
		})
	}
}

func TestRun_FailsOnSlowMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, err := Options{New: newSimple(none), Wait: func(d time.Duration) { time.Sleep(2*d + time.Second) }}.withDefaults()
		require.NoError(t, err)
		recorder := &failureRecorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			rules[slices.IndexFunc(rules, func(r rule) bool { return r.name == "LeaseIsKeptToItsEnd" })].test(recorder, o)
		}()
		<-done
		require.Contains(t, recorder.failure, "too slow to check within")
	})
}

func TestRun_RefusesInvalidOptions(t *testing.T) {
	for _, o := range []Options{
		{},
		{New: newSimple(none), Slack: time.Second},
		{New: newSimple(none), Slack: -1},
		{New: newSimple(none), Lease: time.Hour},
	} {
		_, err := o.withDefaults()
		require.ErrorContains(t, err, "idempotencytest: Options.")
	}
}
