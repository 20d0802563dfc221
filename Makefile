# The verbs of Millrace. `make` alone prints them.
SHELL := /bin/sh
PYTHON := .venv/bin/python
# Whole files side by side: each starts its own servers. Two, as many as CI has cores: with three, clusters of three
# brokers started so slowly that tests of time-outs failed for that alone.
XDIST := -n 2 --dist loadfile --no-loadscope-reorder
BOOTSTRAP := infra/local/bootstrap.sh
.DEFAULT_GOAL := help
# Of the Kubernetes targets: which stack, and which of the kubeconfig's contexts.
STACK ?=
TARGET = $(or $(STACK),$(error say which stack: STACK=staging))
CLUSTER = $(if $(CONTEXT),--context $(CONTEXT))
.PHONY: help demo test unit integration check fmt images up down status logs operate bench bootstrap clean
.PHONY: staging e2e render preview deploy destroy manifests engine cluster-tests cluster cluster-down cluster-proof toolchain

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: up ## start everything, drive load, kill a broker node, prove that nothing was lost (INPUT=file.ndjson replays a file)
	$(PYTHON) -m loadtests demo $(if $(INPUT),--input $(INPUT))

test: unit integration manifests engine cluster-tests ## everything: about 30 minutes on 2 cores; the first time 15 more, to build

unit: ## unit tests: no Docker, about 3 minutes
	$(BOOTSTRAP)
	$(PYTHON) -m pytest tests/unit $(XDIST)

# Real servers on a busy machine: of 346 tests about one a run was late for its deadline, each time another one. Who was
# late ("not within ...", of harness/waiting.py) is tried once more, and the run's last lines name it as unsteady. What was
# wrong, an account above all, is red at once. RERUNS=0 for none.
integration: bootstrap ## on real servers in containers (RabbitMQ 4.3 and 4.0), everything killed under load: about 17 minutes
	$(PYTHON) -m infra.local images --all-versions
	$(PYTHON) -m pytest tests/integration $(XDIST) --maxfail 10 --reruns $(or $(RERUNS),1) --only-rerun "not within"

manifests: ## the rendered stacks against schemas (kubeconform), scanner (checkov) and policies: about 2 minutes
	$(BOOTSTRAP)
	for stack in staging prod; do \
		$(PYTHON) -m infra.render $$stack .millrace/build/render/$$stack \
		&& $(PYTHON) -m infra.checks manifests .millrace/build/render/$$stack \
		&& $(PYTHON) -m infra.policy.command .millrace/build/render/$$stack --environment $$stack || exit 1; \
	done
	$(PYTHON) -m pytest tests/proofs/manifests

# Built before the tests: their time limits are for tests.
engine: ## the program on the real Pulumi engine: about 3 minutes; the first time 5 more, to build it
	$(BOOTSTRAP)
	$(PYTHON) -m infra.toolchain pulumi
	$(PYTHON) -m pytest tests/proofs/engine --timeout 900

# Four API servers side by side: the tests wait for controllers nearly all of the time.
cluster-tests: ## deployment on a real Kubernetes API server: about 7 minutes; the first time 8 more, to build it
	$(BOOTSTRAP)
	$(PYTHON) -m infra.toolchain etcd kube-apiserver kube-controller-manager
	$(PYTHON) -m pytest tests/proofs/api_server -n 4 --timeout 900

cluster-proof: bootstrap ## the three-node cluster of `make cluster`, tried out and taken down again (root; 25 minutes the first time)
	$(PYTHON) -m infra.local images
	$(PYTHON) -m pytest tests/proofs/devcluster

toolchain: ## build every Go program that is used anywhere (20 minutes the first time), so that nothing waits for one later
	$(BOOTSTRAP)
	$(PYTHON) -m infra.toolchain

check: ## ruff, strict types, who may import whom
	$(BOOTSTRAP)
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

fmt: ## format the code and mend what ruff can mend
	$(BOOTSTRAP)
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

images: bootstrap ## build the images that are missing (FRESH=1: all of them, from nothing)
	$(PYTHON) -m infra.local images --all-versions $(if $(FRESH),--fresh)

up: bootstrap ## start the local stack and wait until it works (MILLRACE_RABBITMQ_VERSION=4.0 for the older broker)
	$(PYTHON) -m infra.local up

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
	@$(PYTHON) -m $(if $(STACK),infra.deploy operate $(CLUSTER) $(STACK),infra.local operate) $(RUN)

render: ## write a stack as plain manifests, secrets by name only (STACK=staging OUT=build/staging)
	@$(BOOTSTRAP)
	@$(PYTHON) -m infra.render $(TARGET) $(or $(OUT),$(error say where to: OUT=build/staging))

preview: ## say what a deployment would change (STACK=staging, CONTEXT=a context of the kubeconfig)
	@$(BOOTSTRAP)
	@$(PYTHON) -m infra.deploy preview $(TARGET) $(CLUSTER) $(if $(FORCE),--force)

deploy: ## deploy a stack to Kubernetes, or bring it up to date (STACK=staging; FORCE=1 takes fields of others)
	@$(BOOTSTRAP)
	@$(PYTHON) -m infra.deploy up $(TARGET) $(CLUSTER) $(if $(FORCE),--force)

destroy: ## remove a stack; volumes and passwords stay (STACK=staging; PURGE=1: those too; prod: YES_DESTROY_PROD=1)
	@$(BOOTSTRAP)
	@$(PYTHON) -m infra.deploy destroy $(TARGET) $(CLUSTER) $(if $(PURGE),--purge) $(if $(YES_DESTROY_PROD),--yes-destroy-prod)

bench: up ## how fast it is here: single events, lists (INPUT=file.ndjson: your events too); about 4 minutes
	$(PYTHON) -m loadtests bench $(if $(INPUT),--input $(INPUT))

staging: bootstrap ## staging in a cluster, ready for use: three nodes on this machine (root), or CONTEXT=a context of the kubeconfig
	$(PYTHON) -m infra.staging up $(CLUSTER)

e2e: staging ## end-to-end tests: real load on staging's cluster while its nodes and brokers fail
	$(PYTHON) -m pytest tests/proofs/e2e --timeout 1800

cluster: ## start a three-node Kubernetes on this machine, from Go modules (root; long the first time, then about a minute)
	$(BOOTSTRAP) --docker
	$(PYTHON) -m infra.devcluster up

cluster-down: ## remove it and every trace of it
	$(BOOTSTRAP)
	$(PYTHON) -m infra.devcluster down

bootstrap: ## install what is missing: uv, Python packages, Docker, the base image
	@$(BOOTSTRAP) --docker

clean: ## remove what builds and tests left (not the stack's secrets)
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .millrace/build .millrace/logs
