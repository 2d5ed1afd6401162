module github.com/aihooks/aihooks-go/webhook/otelhooks

go 1.26.0

require (
	github.com/aihooks/aihooks-go v0.0.0-20261126204348-46f1a07b064f
	github.com/stretchr/testify v1.12.1
	go.opentelemetry.io/otel v1.47.0
	go.opentelemetry.io/otel/metric v1.47.0
	go.opentelemetry.io/otel/sdk v1.47.0
	go.opentelemetry.io/otel/sdk/metric v1.47.0
	go.opentelemetry.io/otel/trace v1.47.0
)
