package convosphere

import "encoding/json"

// A Role is who wrote a message. Convosphere publishes no list: expect values without a constant here.
type Role string

// The roles. Convosphere does not publish their names; these are a best guess.
const (
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
)

// A Rating is a user's verdict. Convosphere says "thumbs up/down", and not how it writes that: a string gives its value,
// and anything else, a number or a bool, is kept as it is written in JSON, so that a wrong guess is no outage.
type Rating string

// The ratings. Convosphere does not publish their names; these are a best guess.
const (
	RatingThumbsUp   Rating = "thumbs_up"
	RatingThumbsDown Rating = "thumbs_down"
)

// UnmarshalJSON takes any value.
func (r *Rating) UnmarshalJSON(raw []byte) error {
	*r = Rating(anything(raw))
	return nil
}

// A Text is a field whose name is our guess, so that nothing is known of its type either: a string gives its value, and
// anything else is kept as it is written in JSON, so that a wrong guess is no outage.
type Text string

// UnmarshalJSON takes any value.
func (t *Text) UnmarshalJSON(raw []byte) error {
	*t = Text(anything(raw))
	return nil
}

// anything returns a string's value, and the text of any other value.
func anything(raw []byte) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}
