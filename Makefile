# The verbs of Millrace. `make` alone prints them.
SHELL := /bin/sh
PYTHON := .venv/bin/python
BOOTSTRAP := infra/local/bootstrap.sh
.DEFAULT_GOAL := help
# Of the Kubernetes targets: which stack, and which of the kubeconfig's contexts.
STACK ?=
TARGET = $(or $(STACK),$(error say which stack: STACK=staging))
CLUSTER = $(if $(CONTEXT),--context $(CONTEXT))
.PHONY: help demo test unit integration proof proof-list check fmt images push up down status logs operate compose bench bootstrap
.PHONY: clean drill drills drills-list peers staging e2e render preview destroy connect cluster cluster-down toolchain

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: up ## start everything, drive load, kill a broker node, prove that nothing was lost (INPUT=file.ndjson replays a file)
	$(PYTHON) -m loadtests demo $(if $(INPUT),--input $(INPUT))

drill: bootstrap ## break one thing under load on the stack that runs, and account for every event (NAME=worker_killed; DRY=1)
	$(PYTHON) -m chaos drill $(or $(NAME),$(error say which: NAME=worker_killed; `make drills-list` has them)) $(if $(DRY),--dry-run)

drills: bootstrap ## all drills that suit the stack, a minute and a half each (SEED=7 for that order, RATE=700, KEEP_GOING=1, RESUME=out/drills/..., DRY=1)
	$(PYTHON) -m chaos drills $(if $(SEED),--seed $(SEED)) $(if $(RATE),--rate $(RATE)) $(if $(KEEP_GOING),--keep-going) $(if $(RESUME),--resume $(RESUME)) $(if $(DRY),--dry-run)

drills-list: ## what there is to break, how long it takes, and what it risks (JSON=1)
	@$(BOOTSTRAP)
	@$(PYTHON) -m chaos list $(if $(JSON),--json)

# tests/suites/table.py says what these run.
test: bootstrap ## the tests: unit, then real servers in containers; 7 minutes on 2 cores
	$(PYTHON) -m tests.suites test

unit: ## the unit tests alone: no Docker, about a minute
	$(BOOTSTRAP)
	$(PYTHON) -m tests.suites test unit

integration: bootstrap ## the integration tests alone, about 5 minutes
	$(PYTHON) -m tests.suites test integration

proof: bootstrap ## everything deeper: outages of a minute, Sentinel, the cluster, ... (SUITE=name for one; an hour and more)
	$(if $(CONTEXT),MILLRACE_CONTEXT=$(CONTEXT)) $(PYTHON) -m tests.suites proof $(SUITE)

proof-list: ## what there is to prove, and what each costs
	@$(BOOTSTRAP)
	@$(PYTHON) -m tests.suites list

peers: up ## measure Celery, Dramatiq, Taskiq and Procrastinate beside Millrace on the stack; docs/peers.md (40 minutes; ROUNDS=1)
	@$(BOOTSTRAP) --peers
	$(PYTHON) -m loadtests.peers --packages "$${XDG_CACHE_HOME:-$$HOME/.cache}/millrace/peers" $(if $(ROUNDS),--rounds $(ROUNDS))

toolchain: ## build every Go program that is used anywhere (20 minutes the first time), so that nothing waits for one later
	$(BOOTSTRAP)
	$(PYTHON) -m infra.lab.toolchain

check: ## ruff, strict types, who may import whom
	$(BOOTSTRAP) --aws
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	@! git grep -nE '^(<{7}|>{7})( |$$)' || { echo 'a merge was committed unfinished' >&2; exit 1; }

fmt: ## format the code and mend what ruff can mend
	$(BOOTSTRAP)
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

images: bootstrap ## build the images that are missing (FRESH=1: all of them, from nothing; PODS=1: for a registry)
	$(PYTHON) -m infra.local images --all-versions $(if $(FRESH),--fresh) $(if $(PODS),--for-pods)

push: bootstrap ## give a registry a stack's images, and write which into the stack file (STACK=staging REGISTRY=host/path)
	$(PYTHON) -m infra.local push $(TARGET) $(if $(REGISTRY),--registry $(REGISTRY)) $(if $(FRESH),--fresh)

up: bootstrap ## start the local stack and wait until it works (BROKER=redis, BROKER=sqs: an emulator; MILLRACE_RABBITMQ_VERSION=4.0)
	$(PYTHON) -m infra.local up $(if $(BROKER),--broker $(BROKER))

down: bootstrap ## stop it and remove the containers (PURGE=1: and all data)
	$(PYTHON) -m infra.local down $(if $(PURGE),--purge)

status: ## what runs, and how it is
	@$(BOOTSTRAP)
	@$(PYTHON) -m infra.local status

logs: ## follow the logs (SERVICES="gateway relay-1" for some)
	@$(BOOTSTRAP)
	@$(PYTHON) -m infra.local logs $(SERVICES)

operate: ## run a command of the app as the operator (RUN="dead-letters list"; STACK=staging: in the cluster)
	@$(BOOTSTRAP)
	@$(PYTHON) -m $(if $(STACK),infra.cluster operate --stack $(STACK) $(CLUSTER),infra.local operate) $(RUN)

compose: ## run a command of Docker Compose on the local stack (RUN="exec -T rabbitmq-1 rabbitmqctl version")
	@$(BOOTSTRAP)
	@$(PYTHON) -m infra.local compose $(RUN)

render: ## write a stack as plain manifests, secrets by name only (STACK=staging OUT=build/staging)
	@$(BOOTSTRAP)
	@$(PYTHON) -m infra.render $(TARGET) $(or $(OUT),$(error say where to: OUT=build/staging))

preview: ## say what `make staging` would change of the stack, by `pulumi preview` (CONTEXT=a context of the kubeconfig)
	@$(BOOTSTRAP)
	@$(PYTHON) -m infra.lab.staging preview $(CLUSTER)

destroy: ## remove what `make staging` deployed, volumes and passwords too, by `pulumi destroy`
	@$(BOOTSTRAP)
	@$(PYTHON) -m infra.lab.staging destroy $(CLUSTER)

connect: ## write what load tests, drills and e2e need of a stack that runs (STACK=staging, CONTEXT=a context of the kubeconfig)
	@$(BOOTSTRAP)
	@$(PYTHON) -m infra.lab.staging connect $(TARGET) $(CLUSTER)

bench: up ## how fast it is here: single events, lists (INPUT=file.ndjson: your events too); about 4 minutes
	$(PYTHON) -m loadtests bench $(if $(INPUT),--input $(INPUT))

staging: bootstrap ## `pulumi up -s staging`, ready for use: three nodes on this machine (root), or CONTEXT=a context of the kubeconfig
	$(PYTHON) -m infra.lab.staging up $(CLUSTER)

e2e: bootstrap ## prove a deployment, and destroy it (CONTEXT=a context of the kubeconfig; drills: make proof SUITE=e2e_nodes, ...)
	$(if $(CONTEXT),MILLRACE_CONTEXT=$(CONTEXT)) $(PYTHON) -m tests.suites proof e2e

cluster: ## start a three-node Kubernetes on this machine, from Go modules (root; long the first time, then about a minute)
	$(BOOTSTRAP) --docker
	$(PYTHON) -m infra.lab.devcluster up

cluster-down: ## remove it and every trace of it
	$(BOOTSTRAP)
	$(PYTHON) -m infra.lab.devcluster down

bootstrap: ## install what is missing: uv, Python packages, Docker, the base image
	@$(BOOTSTRAP) --docker

clean: ## remove what builds and tests left (not the stack's secrets)
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .millrace/build .millrace/logs
