# Everything that developers and CI run. `make` alone prints this list.

GO       ?= go
TOOLS    := dev/tools
BIN      := $(TOOLS)/bin
SINKS    := dev/benchsinks
SDKS     := dev/sdks
FUZZTIME ?= 20s
BENCH    ?= .
PKGS     ?= ./...
ARCHS    ?= amd64
CLI      ?=
IMAGE    ?=
WITH     ?=
UPSTREAM ?=
# A release is built by exactly this Go, so that everybody gets the same bytes.
PINNED   := $(shell sed -n 's/^toolchain //p' go.mod)
SEEDS    ?= 10000
FIRST    ?= 1
EVENTS   ?= 100000
RUNS     ?= 3
LASTS    ?= 10m
export CGO_ENABLED ?= 1

.DEFAULT_GOAL := help
.PHONY: help build demo test mutants test-sdks race cover fuzz bench bench-sinks lint fmt vuln tidy-check noise solution package image release release-check version rehome soak load-push fleet clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## ./handler for this machine (func start), ./idnsentinel (the operator's command) and ./sandbox (stand-ins)
	CGO_ENABLED=0 $(GO) build -trimpath -o handler ./cmd/handler
	CGO_ENABLED=0 $(GO) build -trimpath -o idnsentinel ./cmd/idnsentinel
	CGO_ENABLED=0 $(GO) build -trimpath -o sandbox ./cmd/sandbox

demo: build ## the main job end to end: stand-in tenant, workspace and host around the real handler
	./sandbox demo --handler ./handler

test: ## all tests; starts what it needs by itself (Azurite through npm)
	$(GO) vet $(PKGS)
	cd $(SINKS) && $(GO) vet ./...
	cd $(SDKS) && $(GO) vet ./...
	$(GO) test -timeout 30m $(PKGS)

# Not part of test: it fetches 72 packages from npm when it runs first.
test-sdks: ## the stand-ins, tried with the SDKs of SailPoint (JavaScript) and Microsoft (JavaScript, Go)
	cd $(SDKS) && $(GO) test -count=1 -v ./...

mutants: ## seeded defects on the way from source to sink: each must be noticed by a test; RUN=regexp selects
	$(GO) run ./dev/mutants -run '$(RUN)'

# Not again under the race detector: tests of content and templates, which run one
# node or one process after the other, those of the built binary, and those of texts.
NO_RACE := /dev/(sentinel|deploy|packager|rehome|solution|e2e|prose|pages|mutants|recipe|nodetools|version)

race: ## the tests under the race detector: less of the same (-short), and no searches for seeded defects, which take minutes and find no races
	$(GO) test -race -short -timeout 30m -skip 'Defects$$' $$($(GO) list $(PKGS) | grep -Ev '$(NO_RACE)')

cover: ## test coverage by function, and coverage.html
	$(GO) test -coverpkg=./internal/... -coverprofile=coverage.out $(PKGS)
	$(GO) tool cover -html=coverage.out -o coverage.html
	$(GO) tool cover -func=coverage.out | tail -n 1

fuzz: ## every fuzz target for FUZZTIME each (default 20s)
	@set -e; for pkg in $$($(GO) list $(PKGS)); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; done

bench: ## benchmarks; BENCH=regexp selects
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PKGS) | grep -v '^ok\|no test files'

# A module of its own, so that what is compared with never weighs on the product's dependencies.
bench-sinks: ## our Logs Ingestion sink beside azlogs and @azure/monitor-ingestion: EVENTS (default 100000), the median of RUNS (3)
	cd $(SINKS) && $(GO) test ./... && $(GO) run . -events $(EVENTS) -runs $(RUNS)

soak: ## the long runs: SEEDS of the fault simulation (default 10000) and a twentieth of them of each special kind, a day at 50 events/s, a backlog of 1,000,000 events, many kills
	GOGC=400 $(GO) test -count=1 -timeout 6h -v -run 'TestSeeds$$' ./dev/sim -first=$(FIRST) -seeds=$(SEEDS)
	GOGC=400 $(GO) test -count=1 -timeout 6h -v -run 'Test(SeedsWithRule|SeedsBesideANeighbour|GuestSeeds|PushSeeds|ReportSeeds)$$' ./dev/sim -first=$(FIRST) -seeds=$$(($(SEEDS) / 20))
	IDN_SOAK=1 $(GO) test -count=1 -timeout 60m -v -run 'TestSteadyDay|TestLateEvents' ./dev/sim
	IDN_SOAK=1 $(GO) test -count=1 -timeout 60m -v -run 'Soak|Memory|Kill' ./dev/e2e

load-push: ## 50 pushes a second for LASTS (default 10m): time to the answer and to the row, and memory
	IDN_PUSH_LOAD=$(LASTS) $(GO) test -count=1 -timeout 60m -v -run 'TestPushLoad$$' ./dev/e2e

fleet: ## FAN_OUT=queue with 200 connections and 8 instances for LASTS (default 10m), and how the work grows with instances
	IDN_FLEET=$(LASTS) $(GO) test -count=1 -timeout 90m -v -run 'TestFleet' ./dev/e2e

# Not in the module of the tools: it needs another version of a module that golangci-lint needs.
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

lint: $(BIN)/golangci-lint ## golangci-lint, which holds the layers and the format, and actionlint for the workflows
	$(GO) run $(ACTIONLINT) -shellcheck= -pyflakes=
	$(BIN)/golangci-lint run $(PKGS)
	cd $(SINKS) && ../../$(BIN)/golangci-lint run ./...
	cd $(SDKS) && ../../$(BIN)/golangci-lint run ./...

fmt: $(BIN)/golangci-lint ## format all Go files (gofumpt, import groups)
	$(BIN)/golangci-lint fmt $(PKGS)
	cd $(SINKS) && ../../$(BIN)/golangci-lint fmt ./...
	cd $(SDKS) && ../../$(BIN)/golangci-lint fmt ./...

# Not that of the tools: tidying would fetch the test dependencies of all linters.
vuln: ## known vulnerabilities in what ships (govulncheck; needs vuln.go.dev)
	cd $(TOOLS) && $(GO) build -o bin/govulncheck golang.org/x/vuln/cmd/govulncheck
	$(BIN)/govulncheck ./cmd/...

tidy-check: ## fails when go.mod or go.sum are not tidy
	$(GO) mod tidy -diff
	cd $(SINKS) && $(GO) mod tidy -diff
	cd $(SDKS) && $(GO) mod tidy -diff
	$(GO) mod verify

noise: ## play the generated month of 10,000 identities through the rules that have changed: writes sentinel/noise.csv and docs/detections.md
	$(GO) test -run 'TestMonth$$' -timeout 2h -v ./dev/sentinel/noise -identities 10000 -update
	$(GO) run ./dev/solution

solution: ## from sentinel/: the content's template, lists and docs/detections.md; and in dist/solution the trees for a solution repository, UPSTREAM=its checkout
	$(GO) run ./dev/solution
	$(GO) run ./dev/solution -tree dist/solution -upstream '$(UPSTREAM)'

package: ## dist/: the zip that a function app is deployed from, checksums, parts list; ARCHS=amd64,arm64 CLI=linux/amd64 (or all) IMAGE=amd64
	GOTOOLCHAIN=$(PINNED) $(GO) run ./dev/packager -o dist -arch '$(ARCHS)' -cli '$(CLI)' -image '$(IMAGE)' -with '$(WITH)'

image: ## dist/idnsentinel-image.tar: a container image of idnsentinel for this machine; needs no container engine
	$(MAKE) package ARCHS= IMAGE=$$($(GO) env GOARCH)

release: ## dist/: everything that a release publishes, for all systems
	rm -rf dist
	$(MAKE) package ARCHS=amd64,arm64 CLI=all IMAGE=amd64,arm64 WITH=azuredeploy.json,createUiDefinition.json,deploy/workspace.json

release-check: ## what the release workflow does, here: HEAD built twice in two other folders must give the same bytes
	@./dev/packager/release-check.sh

version: ## make a version of what is unreleased, VERSION=v1.2.3: template, form, buttons, CHANGELOG
	$(GO) run ./dev/version -set '$(VERSION)'

rehome: ## make a fork its own, REPO=owner/name: module path, buttons, address of the package
	$(GO) run ./dev/rehome -repo "$(REPO)"

clean: ## remove what the other targets made
	rm -rf handler idnsentinel sandbox dist coverage.out coverage.html $(BIN)

# Tools are pinned in their own module, so that they never weigh on the product's dependencies.
$(BIN)/golangci-lint: $(TOOLS)/go.mod $(TOOLS)/go.sum
	cd $(TOOLS) && $(GO) build -o bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@
