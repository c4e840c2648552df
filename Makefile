# The one command surface. `make` alone prints what there is; each recipe is a line or two, the logic is in TypeScript.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

# What a command is told, by name: make sim SEED=7 N=100 DURATION=300
flag = $(if $($(1)),$(2) '$($(1))')

help: ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-17s %s\n", $$1, $$2 }'

node_modules/.package-lock.json: package.json package-lock.json
	@if command -v node >/dev/null; then npm ci --ignore-scripts --no-audit --no-fund; else echo 'Node.js 20.19 or newer is needed: https://nodejs.org' >&2; exit 1; fi
	@touch $@

setup: node_modules/.package-lock.json ## Install what is needed (all other targets do it themselves)

build: setup ## Compile TypeScript into dist/
	@npx tsc -b
	@node dist/impl/package/bundle.js

native: setup ## Build the native disk, where there is a compiler
	@node native/build.mjs

check: build ## Format, lint, walls, types: no test is run
	@npx biome check --error-on-warnings .

test: build native ## All tests; ends with "N passed, N failed"
	@npx vitest run $(FILE)

sim: build ## Simulate: SEED=, or N= seeds from FIRST= on (commit: its own), DURATION= virtual seconds, JOBS=, TRACE=file, BEYOND=1: also what is known to fail, HARM=1: what no cluster survives
	@node dist/sim/main.js $(call flag,SEED,--seed) $(call flag,N,--seeds) $(call flag,FIRST,--first) $(call flag,DURATION,--duration) $(call flag,JOBS,--jobs) $(call flag,TRACE,--trace) $(if $(BEYOND),--beyond) $(if $(HARM),--harm)

replay: build ## Tell the story of one run: SEED=, or FILE=traces/regressions/x.json, VERBOSE=1: every action, DIAGRAM=x.svg: draw its end
	@node dist/sim/main.js $(call flag,DIAGRAM,--diagram) $(if $(VERBOSE),--verbose,--story) $(call flag,SEED,--seed) $(call flag,DURATION,--duration) $(call flag,FILE,--replay) $(if $(BEYOND),--beyond) $(if $(HARM),--harm)

shrink: build ## Make a failing run small: SEED=, or FILE=traces/failed/x.json
	@node dist/sim/main.js --shrink $(call flag,SEED,--seed) $(call flag,DURATION,--duration) $(call flag,FILE,--replay) $(if $(BEYOND),--beyond) $(if $(HARM),--harm)

scenario: build ## Play a counterexample of TLC against the code: FILE=traces/counterexamples/x.json
	@node dist/sim/scenario-main.js $(FILE)

museum: build ## Put each known bug into the core and see that the simulator finds it: BUG=name; TRACES=1: and that TLC refuses its trace
	@node dist/sim/museum/main.js $(if $(TRACES),--traces) $(BUG)

mutants: build ## Change the core by rule and see who notices: FILE=prefix, N= of them, DRAW= which, CPU= seconds each, JOBS=
	@node dist/sim/mutants/main.js $(call flag,FILE,--file) $(call flag,N,--count) $(call flag,DRAW,--draw) $(call flag,CPU,--cpu) $(call flag,JOBS,--jobs)

tlc: build ## Check the quick models of the specification and those that must fail: MODEL=name
	@node dist/spec/tlc.js $(if $(MODEL),--model '$(MODEL)')

tlc-full: build ## Check the large models (up to an hour); results in spec/RESULTS.md
	@node dist/spec/tlc.js --full

scenarios: build ## Make the scenarios anew from what TLC has found
	@node dist/spec/scenario-main.js

trace-check: build ## Let TLC judge golden traces, FILE=trace.ndjson, CLUSTER=dir of live ones, SEEDS=n new ones of DURATION=s
	@node dist/spec/trace-check.js $(FILE) $(if $(CLUSTER),--cluster $(CLUSTER)/*.ndjson) $(call flag,SEEDS,--seeds) $(call flag,DURATION,--duration)

native-test: native ## C++ tests of ring, files and checksum, under the sanitizers
	@native/test/run.sh

bench: build native ## Benchmarks of the library, beside raw limits and peers: ONLY=name
	@node dist/impl/bench/main.js $(call flag,ONLY,--only)

api: build ## Write the pages about the package's exports anew, out of the docstrings
	@node dist/impl/package/types.js
	@node dist/impl/package/api.js

packages: build ## Make the tarballs to publish, in dist/packages: ZIG= the compiler for other machines
	@node dist/impl/package/types.js
	@node native/prebuild.mjs
	@node dist/impl/package/pack.js

package-check: build native ## Types, exports and pages of the package, and a small matrix of ways to install it
	@node dist/impl/package/types.js
	@node dist/impl/package/api.js --check
	@node dist/impl/package/check.js
	@node dist/impl/package/matrix.js --small

install-matrix: packages native ## Every way to install it, with each Node, module system and bundler: ONLY=
	@node dist/impl/package/matrix.js $(call flag,ONLY,--only)

dev: build native ## A cluster of three nodes in this terminal
	@node dist/impl/runtime/main.js dev

# What upstream's compose file and scripts do: walrus-1 to walrus-3, clients at 9091 to 9093
cluster-bootstrap: build native ## Start a cluster of processes that stays: NODES=3, DIR=data/cluster
	@node dist/impl/deploy/main.js bootstrap $(call flag,DIR,--dir) $(call flag,NODES,--nodes)

cluster-down: build ## Stop it; its data stays. WIPE=1: remove that too
	@node dist/impl/deploy/main.js down $(call flag,DIR,--dir) $(if $(WIPE),--wipe)

cluster-logs: ## Show what its nodes say, until Ctrl-C
	@tail -n 20 -F $(or $(DIR),data/cluster)/walrus-*.log

CLUSTER_TESTS := $(addprefix cluster-test-,logs rollover resilience recovery stress multi-topic partition)
cluster-test: $(CLUSTER_TESTS) ## All of: cluster-test-logs -rollover -resilience -recovery -stress -multi-topic -partition; DURATION=60 seconds of load

$(CLUSTER_TESTS): cluster-test-%: build native
	@CLUSTER_TEST_PORTS=9091,6001 CLUSTER_TEST_SECONDS='$(or $(DURATION),60)' npx vitest run 'impl/deploy/cluster-tests/$*.test.ts'

.PHONY: cluster-bootstrap cluster-down cluster-logs cluster-test $(CLUSTER_TESTS)

clean: ## Remove what was built
	@rm -rf dist native/build spec/.tlc

.PHONY: help setup build native check test sim replay shrink scenario museum mutants tlc tlc-full scenarios trace-check native-test bench api packages package-check install-matrix dev clean
