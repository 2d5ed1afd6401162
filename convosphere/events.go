package convosphere

import "github.com/aihooks/aihooks-go/webhook"

var events []webhook.EventType
