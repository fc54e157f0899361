# One line a target: the same for a person and for CI. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# Node's own headers, where they lie beside it; else node-gyp fetches them.
NODEDIR = $(shell node -p "const d=require('path').resolve(process.execPath,'../..'); \
  require('fs').existsSync(d+'/include/node/node_api.h') ? '--nodedir='+d : ''")
GYP = node_modules/.bin/node-gyp --directory=native-alsa --jobs=max $(NODEDIR)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: run
run: build ## the daemon, bridged to itself, a status line a second: [INPUT=pcm] [OUTPUT=pcm] [QUALITY=level]
	@exec node packages/cli/bin/kvm-audioctl.js demo \
	  $(if $(INPUT),--input "$$INPUT") $(if $(OUTPUT),--output "$$OUTPUT") \
	  $(if $(QUALITY),--quality "$$QUALITY")

.PHONY: test
test: build lint types ## everything: lint, types, unit and integration tests
	node_modules/.bin/jest --selectProjects unit integration --maxWorkers=3

.PHONY: test-long
test-long: build ## what takes 40 minutes more: drift, replugging, standing cards, the optimiser, zero copy
	node_modules/.bin/jest --selectProjects long --runInBand

.PHONY: build
build: native ## system packages, npm packages, addons, virtual card, TypeScript
	@node_modules/.bin/tsc -b
	@for package in protocol client; do \
	  node_modules/.bin/tsc -p packages/$$package/tsconfig.cjs.json && \
	  echo '{ "type": "commonjs" }' >packages/$$package/dist/cjs/package.json || exit 1; \
	done

.PHONY: native
native: node_modules/.package-lock.json
	@[ -d native-alsa/build ] && [ -d packages/cli/dist ] || \
	  echo 'building, once: half a minute or so on two fast cores'
	@$(GYP) configure build >native-alsa/build.log 2>&1 || { cat native-alsa/build.log >&2; exit 1; }
	@$(MAKE) --silent -C native-alsa/virtual-card

node_modules/.package-lock.json: package-lock.json | system
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: system
system:
	@docker/install-debian.sh

.PHONY: lint
lint: | build ## format and lint
	node_modules/.bin/biome check --error-on-warnings .

.PHONY: types
types: | build
	node_modules/.bin/tsc -p tsconfig.test.json

.PHONY: docs
docs: build ## docs/api.md, from the comments of the client SDK
	node_modules/.bin/typedoc --options packages/client/typedoc.json

.PHONY: asan
asan: build ## the native tests with AddressSanitizer
	native-alsa/test/asan.sh

.PHONY: bench
bench: build ## each promise, measured beside a C yardstick: three quarters of an hour [ARGS=--trial]
	test/bench/run.sh $(ARGS)

.PHONY: bench-long
bench-long: build ## the promises of 10 minutes, all legs at a time, and CPU: an hour [ARGS='--seconds 5']
	test/bench/run.sh --long $(ARGS)

.PHONY: bench-peers
bench-peers: build ## the same beside GStreamer, ffmpeg and alsaloop, installed through apt: 50 minutes [ARGS=...]
	@docker/install-debian.sh gstreamer1.0-tools gstreamer1.0-alsa gstreamer1.0-plugins-base \
	  gstreamer1.0-plugins-good ffmpeg alsa-utils
	test/bench/run.sh $(ARGS)

.PHONY: jitter
jitter: build ## the playout target in virtual time: delay and loss of each trace, as a table
	@node_modules/.bin/tsc -p test/simulation
	@node dist/simulation/test/simulation/main.js

.PHONY: codec-cost
codec-cost: build ## µs of each codec call: C, native and wasm in turns [ARGS=--complexity]
	node test/bench/codec-cost.mjs $(ARGS)

.PHONY: fuzz
fuzz: build ## a million messages, good and bad, to a running daemon: [MESSAGES=n] [SEED=n]
	test/fuzz/run.sh $(if $(MESSAGES),--messages $(MESSAGES)) $(if $(SEED),--seed $(SEED))

.PHONY: clean
clean: ## what was built, without npm packages
	rm -rf dist native-alsa/build native-alsa/build.log packages/*/dist packages/*/*.tsbuildinfo \
	  native-alsa/dist native-alsa/*.tsbuildinfo
