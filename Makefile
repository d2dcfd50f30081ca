# Wayside: `make help` lists the targets. Only Go is needed for build, run, demo, test and lint.
GO            ?= go
BIN           := bin/wayside
VERSION       ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS       := -s -w -buildid= -X main.version=$(VERSION)
# Tools are built once into .cache/bin, at the pinned versions, outside go.mod.
TOOLS         := $(CURDIR)/.cache/bin
GOLANGCI      := $(TOOLS)/golangci-lint-v2.15.0
# The race detector needs cgo, so a C compiler; without one the tests run without it and say so.
HAVE_CC       := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo yes)
RACE          := $(if $(HAVE_CC),-race,)
export CGO_ENABLED ?= $(if $(HAVE_CC),1,0)

.DEFAULT_GOAL := help
.PHONY: man help build run demo plugins test test-unit test-e2e fuzz lint bench bench-http bench-runtime soak e2e generate install clean sdk-examples sdk-test sdk-python bench-queue e2e-clients tutorial contract generate-web redis-suite bench-kv kv-probes e2e-prometheus

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

build: plugins ## build bin/wayside with its decoders
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags='$(LDFLAGS)' -o $(BIN) ./cmd/appliance

plugins: ## compile the decoders into plugins/dist
	CGO_ENABLED=0 $(GO) run ./plugins/build

run: build ## start the appliance with its defaults
	$(BIN) serve

demo: build ## upload the example recording to a throw-away appliance and show what comes out (KEEP=1: leave it up)
	CGO_ENABLED=0 $(GO) run ./examples/demo -bin $(BIN)

test: build test-unit fuzz test-e2e ## everything: unit, property and fault tests, a while of fuzzing, then the built binary end to end

test-unit:
	@if [ -z "$(RACE)" ]; then echo 'no C compiler found: the race detector is off'; fi
	$(GO) test $(RACE) -timeout 15m ./...
	$(GO) test -tags soak -run World ./internal/app
	@# Under the race detector these leave themselves out: it takes half a minute to compile a Go guest.
	$(if $(RACE),$(GO) test -run Rail ./internal/runtime)

fuzz: ## fuzz as many parsers as fit into a minute and a half, by turns (FUZZTIME=60s each, FUZZ=all or part of a name)
	GO=$(GO) .ci/fuzz $(or $(FUZZTIME),10s) $(FUZZ)

test-e2e:
	@# One package after the other: the clients of the soak are a load that the limits of the others are not meant for.
	CGO_ENABLED=0 $(GO) test -p 1 -tags e2e -count=1 -timeout 30m ./e2e/... ./soak

e2e: build ## the end-to-end tests alone, with more crash cycles (CYCLES=200)
	E2E_CYCLES=$(or $(CYCLES),200) CGO_ENABLED=0 $(GO) test -tags e2e -count=1 -v -timeout 60m ./e2e/...

lint: $(GOLANGCI) ## vet, import rules and style
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -d $$(git ls-files '*.go') | head -50; exit 1; }
	$(GOLANGCI) run ./...
	$(GO) vet -tags soak ./internal/app ./cmd/appliance
	GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 $(GO) vet ./sdk/... ./plugins/rail/...

$(GOLANGCI):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) CGO_ENABLED=0 $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(TOOLS)/golangci-lint $@

bench: build ## the figures of the README, as ratios against this machine's own disk
	CGO_ENABLED=0 $(GO) run ./bench -bin $(BIN)

bench-http: build ## the HTTP API against bare handlers, a static file server and this machine's disk; slow clients, subscribers (RUNS=1: quickly)
	CGO_ENABLED=0 $(GO) build -o bin/bench ./bench
	bin/bench -bin $(BIN) -only http- $(if $(RUNS),-runs $(RUNS))

bench-kv: build ## the Redis-protocol server beside redis-server, by turns: rates, processor time, memory, stalls (RUNS=1: quickly; ONLY=kv-large: in part)
	CGO_ENABLED=0 $(GO) build -o bin/bench ./bench
	bin/bench -bin $(BIN) -only $(or $(ONLY),kv-) -json bin/bench-kv.json $(if $(RUNS),-runs $(RUNS))

redis-suite: build ## Redis's own tests against the appliance (SUITE=path of a source tree of Redis 7.0, UNITS="type/zset geo")
	SUITE=$(SUITE) UNITS="$(UNITS)" BIN=$(BIN) .ci/redis-suite

kv-probes: build ## what hostile clients cost others of the Redis-protocol server, beside redis-server (PROBES=regular expression)
	GO=$(GO) BIN=$(BIN) PROBES="$(PROBES)" .ci/kv-probes

bench-runtime: build sdk-examples ## the SDKs' example decoders against the same decoder compiled natively, and a guest that only reads
	CGO_ENABLED=0 $(GO) run ./bench -bin $(BIN) -guests bin/examples -only guests
	@echo 'compiling alone, C (to reach: 10 ms), Rust and Go (700 ms):'
	GUESTS=$(CURDIR)/bin/examples/c/tracklog.wasm:$(CURDIR)/bin/examples/rust/tracklog.wasm:$(CURDIR)/bin/examples/go/tracklog.wasm \
		$(GO) test -run '^$$' -bench Compile -count 5 ./internal/runtime/worker

# CYCLES, RESTARTS and HOURS make it longer; ARGS takes every other option of ./soak, ONLY phases by name.
soak: build ## wear the appliance out, about ten minutes (HOURS=2 CYCLES=500 RESTARTS=100 ONLY=kill,load): docs/soak.md
	CGO_ENABLED=0 $(GO) build -tags soak -trimpath -buildvcs=false -ldflags='$(LDFLAGS)' -o $(BIN)-soak ./cmd/appliance
	CGO_ENABLED=0 $(GO) build -o bin/soak ./soak
	bin/soak -bin $(BIN) -soakbin $(BIN)-soak -report bin/soak-report $(if $(ONLY),-only $(ONLY)) $(if $(CYCLES),-cycles $(CYCLES)) \
		$(if $(RESTARTS),-restarts $(RESTARTS)) $(if $(HOURS),-load $(HOURS)h) $(ARGS)

sdk-examples: ## build the example decoders in Go, C and Rust into bin/examples (says which compilers are missing)
	$(GO) run ./sdk/examples/build -install

sdk-test: build sdk-examples ## the SDKs in Go, C and Rust: their own tests, and the three decoders against each other
	$(GO) test ./sdk/...
	$(GO) test -tags sdk -count=1 -timeout 15m ./sdk/examples

sdk-python: build ## the Python package: its own tests, then client and workers against the binary while it is killed (PYTHON=python3, 3.9+)
	cd sdk/python && APPLIANCE_BIN=$(CURDIR)/$(BIN) PYTHONPATH=src $(or $(PYTHON),python3) -m unittest -v

bench-queue: build ## the queue in process and over HTTP, then what of beanstalkd, redis-server and NATS is there, under the same load
	CGO_ENABLED=0 $(GO) test -run '^$$' -bench 'Flush|Enqueue64|LeaseFinish64|Outside64|SlowDisk|Start|Open|LeaseKeys' -count 5 -timeout 30m ./internal/queue/local
	CGO_ENABLED=0 $(GO) run ./bench -bin $(BIN) -only queue
	cd bench/peers && CGO_ENABLED=0 $(GO) run .

e2e-clients: build ## other people's programs against the binary: clients of tus, readers of tables, clients of Redis and task queues on them (npm, PyPI, Go; CLIENTS=celery)
	e2e/clients/run $(CURDIR)/$(BIN)
	python3 -m venv .cache/clients
	.cache/clients/bin/pip install -q --disable-pip-version-check $(foreach f,$(wildcard e2e/clients/requirements*.txt),-r $(f))
	APPLIANCE_BIN=$(CURDIR)/$(BIN) .cache/clients/bin/python -m unittest discover -s e2e/clients -p '$(CLIENTS)*_test.py'

e2e-prometheus: build ## the shipped dashboards, rules and scrape configuration, and an old one, with a real Prometheus (needs prometheus and promtool: Debian's package prometheus)
	E2E_PROMETHEUS=1 CGO_ENABLED=0 $(GO) test -tags e2e -count=1 -v -timeout 10m -run 'TestPrometheus|TestShippedRules|TestOldScrape' ./e2e

tutorial: build ## run the commands of docs/tutorial-decoder.md, without a network
	CGO_ENABLED=0 $(GO) test -tags e2e -count=1 -v -run Tutorial ./e2e

man: build ## write the manual pages, one a command, into bin/man1 (`make install` installs them)
	$(BIN) man bin/man1

generate: ## rebuild committed generated files
	$(GO) generate ./...

.PHONY: web web-check
web: ## build the console anew into web/dist, after its checks (needs Node 20)
	.ci/web build

web-check: ## check the console: types, style, unit tests, and that web/dist is what its sources give (needs Node 20)
	.ci/web check

.PHONY: e2e-web e2e-web-measure
e2e-web: build ## the console in a real browser against the binary (needs Node 20, Chromium and fonts; TESTS=tests/upload.test.mjs)
	GO=$(GO) BIN=$(CURDIR)/$(BIN) .ci/e2e-web test $(TESTS)

e2e-web-measure: build ## figures of the console: bytes, Lighthouse, frames, zooms, memory (PARTS="bytes zoom", RUNS=5)
	GO=$(GO) BIN=$(CURDIR)/$(BIN) .ci/e2e-web measure $(PARTS)

.PHONY: contract generate-web
generate-web: build ## rebuild web/src/api/schema.d.ts, the types of the API for the console (needs Node)
	BIN=$(BIN) .ci/contract types

contract: build ## OpenAPI document: validate it, compare the TypeScript types, let schemathesis look for answers that break it (CONTRACT_TIME=300; needs Python and Node)
	BIN=$(BIN) CONTRACT_TIME=$(or $(CONTRACT_TIME),300) .ci/contract check

install: build ## install binary, unit and example configuration (DESTDIR=, PREFIX=/usr/local)
	packaging/install.sh

clean: ## remove what was built
	rm -rf bin .cache plugins/dist/*.wasm
