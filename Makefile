# Everything is done by the command in tools/cmd/stack; this file only names it. `make` alone lists the targets.

STACK ?= local
ARGS ?=
INSTANCE ?=

command := .local/bin/stack
run := $(command) -stack '$(STACK)'
# What the tests need, such as the built stand-in; the line fails if it cannot be had.
with_test_tools = environment="$$($(command) testenv)" && eval "$$environment"

.DEFAULT_GOAL := help
.PHONY: help up preview destroy outputs env upgrade test test-long test-breaks lint down clean command

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  STACK=name chooses the stack: $(patsubst Pulumi.%.yaml,%,$(wildcard Pulumi.*.yaml)) (default: local, an emulated AWS on this machine).'
	@echo '  ARGS="…" is handed to pulumi, as in: make preview ARGS=--expect-no-changes'

up: command ## bring the stack up, or up to date
	@$(run) up $(ARGS)

preview: command ## show what `make up` would change
	@$(run) preview $(ARGS)

destroy: command ## delete everything the stack made
	@$(run) destroy $(ARGS)

outputs: command ## print the stack's outputs as JSON
	@$(run) outputs $(ARGS)

env: command ## for plain pulumi and aws by hand: eval "$(make -s env)"
	@$(run) env

upgrade: command ## INSTANCE=name: pin its newest image and bring the stack up
	@$(run) upgrade '$(INSTANCE)' $(ARGS)

test: lint command ## lint, and run the tests of all modules
	@$(with_test_tools) && scripts/test

# A test with a part for LONG=1 has a name that -run matches; the tests see to that.
test-long: command ## the campaigns that take long: commands killed at every moment, every combination, every setting. Writes docs/recovery.md, combinations.md and changes.md
	@$(with_test_tools) && cd e2e && LONG=1 go test -count=1 -parallel 4 -timeout 90m -v -run 'Kill|EveryCombination|EverySetting' .

test-breaks: ## break the program on purpose, one way after the other, and see which test notices
	@cd tools && go run ./cmd/breaks -project ..

lint: ## check format, vet, staticcheck and the workflows
	@unformatted="$$(gofmt -l .)"; if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):" $$unformatted; exit 1; fi
	@go vet ./... && (cd tools && go vet ./...) && (cd e2e && go vet ./...)
	@cd tools/pins/staticcheck && go build -o ../../../.local/bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	@$(CURDIR)/.local/bin/staticcheck ./... && (cd tools && $(CURDIR)/.local/bin/staticcheck ./...) && (cd e2e && $(CURDIR)/.local/bin/staticcheck ./...)
	@scripts/lint-workflows

down: command ## stop the emulated AWS
	@$(command) down

clean: command ## stop the emulated AWS and delete .local (real stacks are not touched)
	@$(command) clean

command:
	@command -v go >/dev/null || { echo 'error: there is no `go` on PATH. Install Go, the version in go.mod or newer: https://go.dev/dl/' >&2; exit 1; }
	@cd tools && go build -o ../$(command) ./cmd/stack

# Pipelines

.PHONY: ci-preview ci-drift

ci-preview: ## what a pull request's pipeline runs: the preview as Markdown, in .local/ci
	@scripts/ci/report '$(STACK)' preview $(ARGS)

ci-drift: ## what the daily pipeline runs: is what is there what the program says? same or differs
	@scripts/ci/drift '$(STACK)'
