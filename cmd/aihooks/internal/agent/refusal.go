package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/aihooks/aihooks-go/inbox"
)

// A refusal is an error whose whole text is of this package.
type refusal string

func (r refusal) Error() string { return string(r) }

func refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// explainError returns the error for an agent. That of an inbox may have text of others, so it is fenced.
func explainError(ctx context.Context, err error) error {
	var own refusal
	switch {
	case ctx.Err() != nil:
		return refuse("the call was canceled")
	case errors.Is(err, inbox.ErrNotFound):
		return refuse("there is no such entry, or it is not a dead letter")
	case errors.As(err, &own):
		return own
	default:
		return refuse("the inbox returned an error. %s", fenced("The error", err.Error()))
	}
}
