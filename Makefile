# All targets run in the root of a checkout, for every module in go.work.
SHELL := /bin/bash -o pipefail

modules  := $(shell go list -m -f '{{.Dir}}')
packages := $(addsuffix /...,$(modules))

# What takes longest comes first.
all := ./integration/... ./inbox/sqlite/... ./inbox/river/... ./cmd/aihooks/... ./examples/... ./idempotency/redisstore/... \
	./inbox/jetstream/... ./webhook/otelhooks/... ./...

lint := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
vuln := go run golang.org/x/vuln/cmd/govulncheck@v1.1.4

# A number of inputs: when a time ends, Go 1.26 sometimes fails with "context deadline exceeded" (go.dev/issue/75804).
FUZZTIME      ?= 300000x
MUTATE        ?= ./signature ./signature/diagnose ./idempotency ./webhook ./emberqa
RELEASE_CHECK ?= bash .ci/run

.PHONY: test test-long crash services download lint vuln fuzz bench cover mutate generate pictures tidy requires release clean

## test: the tests that must pass before a change is merged; installs missing servers, or says what to install
#
# The race detector leaves out SQLite, which is C translated to Go: it makes it six times slower, and finds nothing of ours there.
# Three things make a first run shorter. Without DWARF, which only debuggers read, and with a rarer garbage collection, compiling takes
# a tenth less each. Without nomsgpack, gin needs a package that takes 22 s to compile.
# Tests of servers mostly wait, so three packages run at once. `make lint` vets.
test: export GOFLAGS = -race -vet=off -tags=nomsgpack -gcflags=all=-dwarf=false '-gcflags=modernc.org/...=-dwarf=false -race=false'
test: export GOGC = 400
test: export GORACE = atexit_sleep_ms=10
test test-long: export TMPDIR = $(shell .ci/tmpdir)
test:
	@.ci/stage "install servers, browser and compiler" .ci/services
	@.ci/stage "download modules" go mod download
	@.ci/stage "test everything, on real servers" go test -p 3 -timeout 20m $(all)
	@.ci/stage "run examples/quickstart" go run ./examples/quickstart

## test-long: every test in full, with the crash tests, and fuzzing; takes hours
test-long: services
	AIHOOKS_TEST_LONG=1 go test -count 1 -v -timeout 120m -p 1 $(all)
	$(MAKE) fuzz

## crash: only the crash tests, in full, with their figures
crash: services
	AIHOOKS_TEST_LONG=1 go test -count 1 -v -timeout 120m -p 1 -run 'Crash|Deploy|Outage|Cluster' \
		./integration/sqlstore ./inbox/sqlite ./inbox/river ./integration/jetstream

## services: installs the servers and the browser that the tests start, or says what to install
services:
	@.ci/services

## lint: the linter, with .golangci.yml
lint:
	@for dir in $(modules); do (cd $$dir && $(lint) run ./...) || exit 1; done

## vuln: known vulnerabilities; needs the network
vuln:
	@for dir in $(modules); do (cd $$dir && $(vuln) ./...) || exit 1; done

## fuzz: every fuzz target, FUZZTIME inputs each
fuzz:
	@set -e; for pkg in $$(go list $(packages)); do \
		for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "== $$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

## bench: compares handlers, verifiers, stores and inboxes, and writes integration/bench/README.md; takes about 45 minutes
bench: services
	go run ./integration/bench

## cover: statement coverage of the core packages, by all tests
cover:
	@for pkg in signature idempotency webhook inbox; do \
		go test -coverpkg ./$$pkg -coverprofile cover-$$pkg.out ./... > /dev/null || exit 1; \
		echo "$$pkg $$(go tool cover -func cover-$$pkg.out | tail -1 | awk '{print $$3}')"; \
	done

## mutate: mutation testing of MUTATE, folders or files; takes hours. For its flags, go run ./internal/test/mutate -h
mutate:
	go run ./internal/test/mutate $(MUTATE)

## generate: every generated file; must leave no diff
generate:
	python3 signature/testdata/generate.py
	go test ./webhook -run "TestContract_MatchesPackageDocumentation|TestOutcome_EachHasHelp" -update
	go test ./internal/allvendors -run TestSchedule_MatchesRecordedOutcomes -update
	go test ./integration/peers -run CommittedVectors -update
	go test ./integration/peers -run DocumentedDifferences -update

## pictures: the pictures of the documentation, from real runs; needs Chromium, Prometheus, and ports 8787 to 8789
pictures:
	go run ./integration/pictures
	go test -count=1 -run TestMonitoring_CoversRealRun ./integration/monitoring -picture $(CURDIR)/docs/pictures/dashboard.svg

## tidy: go.mod and go.sum of every module, go.work and go.work.sum
tidy:
	@.ci/workspace
	@.ci/origin bash -c 'for dir in $(modules); do (cd $$dir && go mod tidy) || exit 1; done'
	@rm go.work.sum && go mod download

## requires: raises the requirements between the modules to the last commit; commit the result
requires:
	@.ci/requires "$$(git rev-parse HEAD)"

## release: prepares VERSION on a clean main, after RELEASE_CHECK; pushes nothing
release:
	@.ci/release "$(VERSION)" "$(RELEASE_CHECK)"

clean:
	rm -f cover-*.out
