# Everything runs from the root of a checkout, over every module in go.work.
SHELL := /bin/bash -o pipefail

modules  := $(shell go list -m -f '{{.Dir}}')
packages := $(addsuffix /...,$(modules))

# Those that start servers and kill them, or wait for a disk, are tested one after the other: they have deadlines to keep.
engines  := $(filter-out %/cmd/aihooks/... %/inbox/jetstream/... $(CURDIR)/...,$(packages))

lint := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
vuln := go run golang.org/x/vuln/cmd/govulncheck@v1.1.4

FUZZTIME  ?= 30s
BENCHTIME ?= 1s

.PHONY: test services crash lint vuln fuzz bench cover generate pictures tidy clean

## test: what must pass before anything lands; needs Go, a C compiler for the race detector, PostgreSQL, Redis and Chromium
test: services
	go vet $(packages)
	go test -race $(filter-out $(engines),$(packages))
	go test -race -p 1 $(engines)
	go run ./examples/quickstart

## services: installs the servers and the browser that the tests start, or says what to install
services:
	@.ci/services

## crash: the crash tests in full, with their figures: of the SQL store, 10,000 keys and 60 kills on each engine; of the inbox,
## 20,000 deliveries and 50 kills; on River three receivers at once, with PostgreSQL killed and paused, and stopped for a minute
crash:
	AIHOOKS_TEST_LONG=1 go test -count 1 -v -timeout 60m -run Killed ./integration/sqlstore
	AIHOOKS_TEST_LONG=1 go test -count 1 -v -timeout 60m -run 'Killed|Deploy' ./inbox/sqlite
	AIHOOKS_TEST_LONG=1 go test -count 1 -v -timeout 60m -run 'Killed|Deploys|Away' ./inbox/river
	AIHOOKS_TEST_LONG=1 go test -count 1 -v -timeout 60m -run 'Killed|Deploy|MayDie' ./integration/jetstream

## lint: the linter, with .golangci.yml
lint:
	@for dir in $(modules); do (cd $$dir && $(lint) run ./...) || exit 1; done

## vuln: known vulnerabilities; needs the network
vuln:
	@for dir in $(modules); do (cd $$dir && $(vuln) ./...) || exit 1; done

## fuzz: every fuzz target for FUZZTIME
fuzz:
	@set -e; for pkg in $$(go list $(packages)); do \
		for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "== $$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

## bench: the benchmarks, each beside its floor
bench:
	go test -run '^$$' -bench . -benchtime $(BENCHTIME) ./signature ./idempotency ./webhook ./integration/sqlstore ./idempotency/redisstore ./inbox/sqlite ./inbox/river ./integration/jetstream

## cover: statement coverage of the packages that everything stands on, by all tests
cover:
	@for pkg in signature idempotency webhook inbox; do \
		go test -coverpkg ./$$pkg -coverprofile cover-$$pkg.out ./... > /dev/null || exit 1; \
		echo "$$pkg $$(go tool cover -func cover-$$pkg.out | tail -1 | awk '{print $$3}')"; \
	done

## generate: everything that is made from something else; must leave no diff
generate:
	python3 signature/testdata/generate.py
	go test ./webhook -run TestThePackageDocumentationShowsTheContract -update
	go test ./internal/allvendors -run TestEveryScheduleEndsWell -update
	go test ./integration/peers -run JudgeAsWrittenDown -update

## pictures: those of the README, from a real run of aihooks; needs Chromium, and ports 8787 and 8788
pictures:
	go run ./integration/pictures

## tidy: go.mod and go.sum of every module
tidy:
	@for dir in $(modules); do (cd $$dir && GOWORK=off go mod tidy) || exit 1; done

clean:
	rm -f cover-*.out
