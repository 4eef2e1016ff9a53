# The targets run the command in tools/cmd/stack. `make` alone lists them.

# Options count only where they are given to make: an exported YES=1 must not answer a question.
options := STACK ARGS INSTANCE FLEET BATCH SESSION TIMEOUT REASON FORMAT WHO SINCE UNTIL LIMIT NEXT ALL YES RAW V DIFF UNDO CUT_OFF ALLOW TOPIC OUTPUTS WITHOUT_CLOUDTRAIL \
	NETWORK RUN RACE VERSION WRITE BENCH_INSTANCES BENCH_ROUNDS
# A stack that was exported is told to be ignored, where it has a config file and the command takes a stack: make acts on the stack local.
exported := $(if $(filter environment%,$(origin STACK)),$(filter-out local,$(filter $(patsubst Pulumi.%.yaml,%,$(wildcard Pulumi.*.yaml)),$(notdir $(value STACK)))))
quoted = '$(subst ','\'',$1)'
note = $(if $(exported),$(shell echo $(call quoted,note: make ignores the environment variable STACK=$(exported) and acts on the stack local. To act on $(exported): \
	make $(MAKECMDGOALS) STACK=$(exported)$(if $(given), $(given))) >&2)$(eval exported :=))
# The options as they were given, to be pasted into a shell.
given = $(foreach o,$(strip $(foreach o,$(options),$(if $(filter command%,$(origin $o)),$o))),$o=$(if $(filter $(switches),$(value $o)),$(value $o),$(call quoted,$(value $o))))
$(foreach o,$(options),$(if $(filter environment%,$(origin $o)),$(eval override $o := $(if $(filter STACK,$o),local))))
# Another name is a slip, such as stack=dev, which would act on the stack local. Environment variables, such as AWS_PROFILE, may be given too.
strange := $(filter-out $(options) CI CURDIR GO% HOME LANG MAKE% MFLAGS PAGER PATH SHELL TERM TMPDIR,$(foreach _v,$(.VARIABLES),$(if $(filter command%,$(origin $(_v))),$(if $(findstring _,$(_v)),,$(_v)))))
capitals = $(filter $(shell echo '$(firstword $(strange))' | tr a-z A-Z),$(options))
$(if $(strange),$(if $(capitals),$(error $(firstword $(strange)): no such option. Fix: write it in capitals: $(capitals)=$($(firstword $(strange))))))
$(if $(strange),$(error $(firstword $(strange)): no such option. Allowed: $(sort $(options)). Fix: make help shows which of them a command takes))
STACK ?= local
# What the environment says of what make changes below, for `make env UNDO=1`.
callers := env $(foreach v,GOWORK GOFLAGS,$(if $(filter environment%,$(origin $v)),$v='$(subst ','\'',$(value $v))',-u $v))
# Go builds for this machine, from the modules of this checkout, whoever it belongs to.
export GOWORK := off
export GOFLAGS := -buildvcs=false
unexport GOOS GOARCH GOEXPERIMENT GOBIN GO111MODULE CGO_ENABLED CC CXX BASH_ENV CDPATH

command := .local/bin/stack
run = $(call use,STACK)$(note)$(command) --stack '$(STACK)'
# The flag $2 with the value of the variable $1, if that has one; and a flag without a value, if $1 is on: YES=no must not answer yes.
option = $(call use,$1)$(if $($1),--$2 '$(subst ','\'',$($1))')
switch = $(call use,$1)$(if $(filter-out $(switches),$($1)),$(error $1: not on or off (got $($1)). Allowed: 1, true, yes, 0, false, no))$(if $(filter 1 true yes,$($1)),--$2)
switches := 1 true yes 0 false no
arguments = $(call use,ARGS)$(ARGS)$(no_other_option)
# An option that the one target does not use is a slip, as in make up INSTANCE=db, which would update everything. It goes at the end of the recipe.
use = $(eval used += $1)
no_other_option = $(if $(word 2,$(MAKECMDGOALS)),,$(foreach o,$(options),$(if $(filter command%,$(origin $o)),$(if $(filter $o,$(used)),,\
	$(error make $@ does not take the option $o. Allowed: $(or $(sort $(used)),none). Fix: leave out $o)))))
# What the tests need, such as the built stand-in; the line fails if it cannot be had.
with_test_tools = environment="$$($(command) testenv)" && eval "$$environment"

.DEFAULT_GOAL := help
targets := docs help up preview destroy outputs env status wait connect history record end verify audit plugin picture bench upgrade check e2e test test-long record-upgrade-fixture test-breaks lint lint-go vet-platforms executable-tmp down clean command ci-preview ci-drift
.PHONY: $(targets)
# Who asks for help with a command does not want to run it.
$(if $(filter help,$(MAKECMDGOALS)),$(if $(filter-out help,$(MAKECMDGOALS)),$(error make help is about all commands. Nothing was run. Fix: make help)))
# A word that is no target, such as the name of an instance or a stack. The commands before it would run without it.
stray := $(firstword $(filter-out $(targets),$(MAKECMDGOALS)))
line := make $(firstword $(filter $(targets),$(MAKECMDGOALS)) TARGET)
$(if $(filter $(patsubst Pulumi.%.yaml,%,$(wildcard Pulumi.*.yaml)),$(stray)),$(error $(stray) is a stack. Fix: $(line) STACK=$(stray)))
takers = $(filter $1,$(firstword $(filter $(targets),$(MAKECMDGOALS))))
$(if $(filter $(options),$(stray)),$(error $(stray) is an option without a value. Fix: $(line) $(stray)=VALUE))
meant := $(if $(call takers,connect wait history end verify upgrade),if it is an instance: $(line) INSTANCE=$(stray); )$(if $(call takers,record end),if it is a session: $(line) SESSION=$(stray); )
$(if $(stray),$(error there is no target $(stray). Fix: $(meant)make help lists the targets and their options))

##@ Deploy

up: command ## create or update the stack's resources: DIFF=1 (show every property)
	@$(run) up $(call switch,DIFF,diff) -- $(arguments)

preview: command ## show what `make up` would change, one line for each resource: DIFF=1
	@$(run) preview $(call switch,DIFF,diff) -- $(arguments)

outputs: command ## print the stack's outputs as JSON
	@$(run) outputs -- $(arguments)

upgrade: command ## replace an instance, or a fleet in batches, by the newest image: | INSTANCE=name, or FLEET=name BATCH=5 TIMEOUT=10m
	@$(run) upgrade $(call option,INSTANCE,instance) $(call option,FLEET,fleet) $(call option,BATCH,batch) $(call option,TIMEOUT,timeout) -- $(arguments)

destroy: command ## delete the stack's resources: | DIFF=1 CUT_OFF=1 (also VPC endpoints that others use)
	@$(run) destroy $(call switch,DIFF,diff) $(call switch,CUT_OFF,cut-off) -- $(arguments)

##@ Sessions

connect: command ## open a session: INSTANCE=name or ID, REASON="why"
	@$(run) connect $(call option,INSTANCE,instance) $(call option,REASON,reason) $(call switch,V,verbose) $(arguments)

status: command ## show what is deployed, who is in a session, and when recording was last verified
	@$(run) status $(call switch,V,verbose) $(arguments)

wait: command ## wait until the instances are online, or print what is missing: | INSTANCE= TIMEOUT=10m NETWORK=1
	@$(run) wait $(call option,INSTANCE,instance) $(call option,TIMEOUT,timeout) $(call switch,NETWORK,network) $(call switch,V,verbose) $(arguments)

history: command ## list sessions: | WHO= INSTANCE= SINCE= UNTIL= LIMIT= NEXT= ALL=1 FORMAT=table|json|csv
	@$(run) history $(call option,FORMAT,format) $(call option,WHO,who) $(call option,INSTANCE,instance) $(call option,SINCE,since) $(call option,UNTIL,until) \
		$(call option,LIMIT,limit) $(call option,NEXT,next) $(call switch,ALL,all) $(call switch,V,verbose) $(arguments)

record: command ## print a session log: | SESSION=ID (default: your last session) RAW=1 (unchanged bytes)
	@$(run) record $(call option,SESSION,session) $(call switch,RAW,raw) $(call switch,V,verbose) $(arguments)

end: command ## end your sessions: | SESSION=ID or INSTANCE=, ALL=1 (those of all users) YES=1 (do not ask)
	@$(run) end $(call option,SESSION,session) $(call option,INSTANCE,instance) $(call switch,ALL,all) $(call switch,YES,yes) $(call switch,V,verbose) $(arguments)

verify: command ## verify that sessions are recorded: | INSTANCE= TIMEOUT=5m ALL=1 (on all instances)
	@$(run) verify $(call option,INSTANCE,instance) $(call option,TIMEOUT,timeout) $(call switch,ALL,all) $(call switch,V,verbose) $(arguments)

audit: command ## compare sessions with session logs: | SINCE= ALLOW=documents TOPIC=ARN OUTPUTS=file ALL=1 WITHOUT_CLOUDTRAIL=1 | FORMAT=table|json|csv
	@$(run) audit $(call option,SINCE,since) $(call option,FORMAT,format) $(call option,ALLOW,allow) $(call option,TOPIC,topic) $(call option,OUTPUTS,outputs) \
		$(call switch,ALL,all) $(call switch,WITHOUT_CLOUDTRAIL,without-cloudtrail) $(call switch,V,verbose) $(arguments)

##@ This machine

plugin: command ## build the Session Manager plugin from source, if none is installed
	@$(command) plugin$(no_other_option)

env: command ## print the environment for plain pulumi and aws: eval "$(make -s env)" | UNDO=1 (what it was before)
	@$(callers) $(run) env $(call switch,UNDO,undo)$(no_other_option)

# Without .local there is nothing to stop or to delete, and nothing is built for that.
down: $(if $(wildcard .local),command) ## stop the local emulator
	@$(if $(wildcard .local),$(command) down,echo 'The emulator is not running.')$(no_other_option)

clean: $(if $(wildcard .local),command) ## stop the local emulator and delete .local; stacks in AWS accounts stay
	@$(if $(wildcard .local),$(command) clean,echo 'There is no .local to delete.')$(no_other_option)

help: ## list these commands
	@trap '' PIPE; { \
	echo 'make COMMAND STACK=name OPTION=value'; \
	echo '  STACK= is one of: $(patsubst Pulumi.%.yaml,%,$(wildcard Pulumi.*.yaml)) (default: local, in the local emulator).'; \
	echo '  ARGS="…" is passed to pulumi by commands that run it, as in: make preview ARGS=--expect-no-changes'; \
	echo '  V=1 prints each aws command that a command about sessions runs.'; \
	echo '  An option counts only after make: make history V=1, not V=1 make history.'; \
	awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { gsub(/ \| /, sprintf("\n%20s", ""), $$2); printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST); } 2>/dev/null || true # a reader may have read enough

##@ For maintainers and pipelines

check: lint-go ## format, vet, staticcheck, wording and unit tests; needs only Go
	@scripts/check

test: lint command ## lint and all tests: RACE=1 (tools with the race detector)
	@$(with_test_tools) && RACE='$(RACE)' scripts/test

# A test that does more with LONG=1 has a name that this -run matches; the tests check that.
test-long: command executable-tmp ## the long tests, more than an hour; they write tables in docs/
	@$(with_test_tools) && cd e2e && LONG=1 go test -count=1 -parallel 4 -timeout 90m -v -run 'Kill|EveryCombination|EverySetting|EveryFinding|EveryMutation|EveryPartition|Scanner|TwoHundred|TwoInOneVPC' .

e2e: command executable-tmp ## end-to-end tests by name: RUN=pattern, as `go test -run` takes it
	@if [ -z '$(RUN)' ]; then echo 'error: RUN: the name of a test is missing. Example: make e2e RUN=TestRecipe' >&2; exit 1; fi
	@$(with_test_tools) && scripts/test '$(RUN)'

test-breaks: executable-tmp ## break the program on purpose in many ways; a test must notice each
	@cd tools && go run ./cmd/breaks -project ..

lint: lint-go ## check format, vet, staticcheck, the workflows, the policies and the wording
	@scripts/lint-workflows
	@scripts/lint-policies

lint-go: executable-tmp
	@unformatted="$$(gofmt -l .)"; if [ -n "$$unformatted" ]; then echo "error: not formatted. Fix: gofmt -w" $$unformatted >&2; exit 1; fi
	@go vet ./... && (cd tools && go vet ./...) && (cd e2e && go vet ./...)
	@cd tools/pins/staticcheck && go build -o ../../../.local/bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	@"$(CURDIR)/.local/bin/staticcheck" ./... && (cd tools && "$(CURDIR)/.local/bin/staticcheck" ./...) && (cd e2e && "$(CURDIR)/.local/bin/staticcheck" ./...)
	@cd tools && go run ./cmd/wording -project ..

# go run and go test start programs from the temporary folder.
executable-tmp:
	@file="$$(mktemp)" && printf '#!/bin/sh\n' > "$$file" && chmod +x "$$file" && { "$$file" 2>/dev/null; code=$$?; rm -f "$$file"; [ $$code = 0 ] || \
		{ echo "error: no program can be started in the temporary folder $${TMPDIR:-/tmp} (mounted noexec?). Fix: TMPDIR=FOLDER make …, with another folder" >&2; exit 1; }; }

vet-platforms: ## check that the tools compile for Windows and macOS
	@cd tools && GOOS=windows go vet ./... && GOOS=darwin go vet ./...

docs: executable-tmp ## regenerate docs/configuration.md from Pulumi.yaml
	@go test -count=1 -run TestConfigurationPage ./docs -update

picture: up executable-tmp ## regenerate docs/session.svg from a session on the stack local
	@cd tools && go run ./cmd/picture -project .. -to ../docs/session.svg

bench: executable-tmp command ## compare the speed with Terraform: BENCH_INSTANCES="1 50" BENCH_ROUNDS=3 WRITE=1
	@cd tools && go run ./cmd/bench -project .. $(if $(BENCH_INSTANCES),-instances '$(BENCH_INSTANCES)') \
		$(if $(BENCH_ROUNDS),-rounds '$(BENCH_ROUNDS)') $(if $(WRITE),-write)

record-upgrade-fixture: executable-tmp command ## save what this release deploys, for the upgrade test: VERSION=x
	@test -n '$(VERSION)' || { echo 'error: VERSION is empty. Fix: make record-upgrade-fixture VERSION=0.1' >&2; exit 1; }
	@$(with_test_tools) && cd e2e && go test -count=1 -timeout 30m -run 'TestUpgrade$$' . -record-upgrade '$(VERSION)'

ci-preview: ## what a pull request's pipeline runs: the preview as Markdown, in .local/ci
	@$(note)scripts/ci/report '$(STACK)' preview $(ARGS)

ci-drift: ## what the daily pipeline runs: compare the stack with the program
	@$(note)scripts/ci/drift '$(STACK)'

command:
	@command -v go >/dev/null || { echo 'error: there is no `go` on PATH. Install Go, the version in go.mod or newer: https://go.dev/dl/' >&2; exit 1; }
	@test -d .local || mkdir .local; test -w .local || { echo 'error: the tools go to .local in this folder, and you may not write there. Fix: clone the project into a folder that is yours' >&2; exit 1; }
	@test -e $(command) || echo '• build the command of this checkout (one or two minutes the first time)' >&2
	@cd tools && go build -o ../$(command) ./cmd/stack
