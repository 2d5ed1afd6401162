package emberqa

import (
	"context"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// The types of events. EmberQA sends them as the alert_type of an alert and the trigger_reason of a completion.
const (
	TypeRedFlag    = "red_flag"
	TypeLowScore   = "low_score"
	TypeCompletion = "completed_action"
)

var (
	kindRedFlag    = webhook.NewEventType[RedFlag](TypeRedFlag)
	kindLowScore   = webhook.NewEventType[LowScore](TypeLowScore)
	kindCompletion = webhook.NewEventType[Completion](TypeCompletion)
)

var events = []vendors.EventType{kindRedFlag, kindLowScore, kindCompletion}

// OnRedFlag registers fn to run when red flag criteria are detected in a call or document.
func (h *Handler) OnRedFlag(fn func(context.Context, *RedFlag) error) {
	kindRedFlag.On(h.Handler, fn)
}

// OnLowScore registers fn to run when a score is at or below the threshold that you have configured.
func (h *Handler) OnLowScore(fn func(context.Context, *LowScore) error) {
	kindLowScore.On(h.Handler, fn)
}

// OnCompletion registers fn to run when the processing of a call, a document or a workflow completes.
func (h *Handler) OnCompletion(fn func(context.Context, *Completion) error) {
	kindCompletion.On(h.Handler, fn)
}
