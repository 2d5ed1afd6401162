package emberqa

import (
	"context"

	"github.com/aihooks/aihooks-go/webhook"
)

// The types of events: the alert_type of an alert, the trigger_reason of a completion.
const (
	TypeRedFlag    = "red_flag"
	TypeLowScore   = "low_score"
	TypeCompletion = "completed_action"
)

var (
	kindRedFlag    = webhook.NewKind[RedFlag](TypeRedFlag)
	kindLowScore   = webhook.NewKind[LowScore](TypeLowScore)
	kindCompletion = webhook.NewKind[Completion](TypeCompletion)
)

var events = []webhook.EventType{kindRedFlag, kindLowScore, kindCompletion}

// OnRedFlag registers fn for when red flag criteria are detected in a call or document.
func (h *Handler) OnRedFlag(fn func(context.Context, *RedFlag) error) {
	kindRedFlag.On(h.Handler, fn)
}

// OnLowScore registers fn for when a score is at or below the threshold that you have configured.
func (h *Handler) OnLowScore(fn func(context.Context, *LowScore) error) {
	kindLowScore.On(h.Handler, fn)
}

// OnCompletion registers fn for when processing completes: of a call, a document or a workflow.
func (h *Handler) OnCompletion(fn func(context.Context, *Completion) error) {
	kindCompletion.On(h.Handler, fn)
}
