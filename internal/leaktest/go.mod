module github.com/aihooks/aihooks-go/internal/leaktest

go 1.25.0

require (
	github.com/aihooks/aihooks-go v0.0.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/time v0.15.0 // indirect
)

replace github.com/aihooks/aihooks-go => ../..
