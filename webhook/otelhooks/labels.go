package otelhooks

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// The attributes of spans and metrics.
const (
	vendorKey   = attribute.Key("aihooks.vendor")
	endpointKey = attribute.Key("aihooks.endpoint")
	typeKey     = attribute.Key("aihooks.type")
	outcomeKey  = attribute.Key("aihooks.outcome")
	reasonKey   = attribute.Key("aihooks.reason")
	stageKey    = attribute.Key("aihooks.stage")
	keyKey      = attribute.Key("aihooks.key")
	methodKey   = attribute.Key("aihooks.store.method")
	inboxKey    = attribute.Key("aihooks.inbox")
	stateKey    = attribute.Key("aihooks.state")
	idKey       = attribute.Key("aihooks.id")
	attemptKey  = attribute.Key("aihooks.attempt")
	errorKey    = attribute.Key("error.type")
)

// labels are the attributes of one measurement. An empty one is left out.
type labels struct {
	vendor, endpoint, eventType, outcome, reason, stage, key, method, inbox, state string
	failed                                                                         bool
}

func (l *labels) attributes() (list []attribute.KeyValue) {
	for _, a := range []struct {
		key   attribute.Key
		value string
	}{
		{vendorKey, l.vendor}, {endpointKey, l.endpoint}, {typeKey, l.eventType}, {outcomeKey, l.outcome},
		{reasonKey, l.reason}, {stageKey, l.stage}, {keyKey, l.key}, {methodKey, l.method},
		{inboxKey, l.inbox}, {stateKey, l.state},
	} {
		if a.value != "" {
			list = append(list, a.key.String(a.value))
		}
	}
	if l.failed {
		list = append(list, errorKey.String("_OTHER")) // the semantic conventions' value for any error
	}
	return list
}

// options keeps the option of each set of labels: making one takes longer than the rest of a measurement. Labels are bounded,
// so the map is.
type options struct {
	mu sync.RWMutex
	m  map[labels]metric.MeasurementOption
}

func (o *options) of(l labels) metric.MeasurementOption {
	o.mu.RLock()
	option := o.m[l]
	o.mu.RUnlock()
	if option != nil {
		return option
	}
	option = metric.WithAttributeSet(attribute.NewSet(l.attributes()...))
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil {
		o.m = make(map[labels]metric.MeasurementOption)
	}
	o.m[l] = option
	return option
}
