# Every target says in one line what it does, is safe to repeat, and sets up what it needs.

ifndef KERNEL
demo: CALLS ?= 50
endif
demo-tor: CALLS ?= 50
demo-fleet: CALLS ?= 40
chaos: CALLS ?= 20
churn: CALLS ?= 10000
SEED ?= 1
PY := .venv/bin/python

.PHONY: help demo demo-tor demo-fleet deb test test-pythons test-module test-systemd test-page browser docs test-deb bench bench-kernel chaos churn soak lab lab-down check
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv/.ready $(if $(KERNEL),,lab) ## the demonstration: CALLS calls relayed and offloaded by turns, a table, a verdict (KERNEL=1: a kernel's datapath)
ifdef KERNEL
	@lab/bootstrap.sh
	@lab/lab.sh build
	@if lab/lab.sh works system; then LAB_DATAPATH=system lab/lab.sh up && $(PY) -m lab.demo $(CALLS); \
	else $(PY) -m tests.bench.kernel.demo $(CALLS); fi
else
	@echo "demo: $(CALLS) calls, relayed and offloaded"
	@$(PY) -m lab.demo $(CALLS)
endif

demo-tor: .venv/.ready ## the same with a switch of its own in front of Asterisk's host, which dials the application by TLS
	@lab/bootstrap.sh
	@LAB=tor lab/lab.sh up
	@echo "demo: $(CALLS) calls, relayed and offloaded, by a switch in front of node 2"
	@LAB=tor $(PY) -m lab.demo $(CALLS)

demo-fleet: .venv/.ready ## CALLS calls through Kamailio on two nodes; one is drained, restarted, killed; a table, a verdict (2 minutes)
	@lab/bootstrap.sh
	@LAB=fleet lab/lab.sh up
	@echo "demo: $(CALLS) calls on a fleet of two nodes"
	@LAB=fleet $(PY) -m lab.fleet_demo $(CALLS)

test: .venv/.ready lab ## every test but the module's own and the other Pythons': unit, integration, packages, units, page, whole calls (22 minutes)
	@echo "test: whole calls in the lab, and all others beside and after them"
	@scripts/test.sh

test-pythons: .venv/.ready ## the unit tests on every Python from 3.11 on: this machine's (PYTHONS="..."), Debian forky's
	@lab/bootstrap.sh
	@tests/pythons/all.sh
	@$(PY) -m pytest -q tests/unit

test-module: ## the Asterisk module alone: 10,000 CLI calls under valgrind during call churn (4 minutes)
	@lab/bootstrap.sh
	@docker build --quiet --network host --file asterisk-module/test/Dockerfile --tag rtpstreams-test .
	@docker run --rm --init --sysctl net.ipv6.conf.lo.disable_ipv6=0 rtpstreams-test

test-systemd: .venv/.ready ## the units under systemd: the service started, frozen, reloaded; the bridge's socket granted; what docs/bridge.md has one type, and boots with it (three minutes, the first time ten)
	@lab/bootstrap.sh
	@lab/lab.sh build
	@tests/systemd/run.sh

test-page: .venv/.ready lab browser ## the live page in Debian's Chromium, with real calls (a minute, the first time three)
	@$(PY) -m pytest -q tests/page

browser: # the image of test-page's browser
	@lab/bootstrap.sh
	@bash -c 'part=test-page; source lab/lib.sh && build_image browser tests/page/Dockerfile'

test-deb: deb ## the packages on a host with systemd, Debian's Asterisk and Open vSwitch: installed, set up, a call, upgraded, removed; the same without packages (two minutes, the first time eight)
	@tests/deb/run.sh

deb: ## the Debian packages in dist/, built in a container and read by lintian (the first time a minute or two)
	@lab/bootstrap.sh
	@scripts/deb.sh

bench: .venv/.ready lab ## the benchmark: moves, set-up, latency, CPU, flow programming; bench-report.json (16 minutes)
	@$(PY) -m tests.bench

bench-kernel: .venv/.ready ## instructions a packet in a kernel datapath, emulated, and of its rivals; bench-kernel-report.json (5 minutes, the first time 8)
	@lab/bootstrap.sh
	@lab/lab.sh build
	@$(PY) -m tests.bench.kernel

chaos: .venv/.ready lab ## faults from a schedule that SEED decides, against CALLS calls; a table, chaos-report.json (7 minutes)
	@$(PY) -m tests.chaos $(CALLS) $(SEED)

churn: .venv/.ready lab ## CALLS calls that come and go: none fails, no flow, channel, descriptor or memory is left (15 minutes)
	@$(PY) -m tests.bench.churn $(CALLS)

soak: .venv/.ready lab ## the tests of whole calls on a machine that stands still for moments, which SEED decides (30 minutes)
	@LAB=2 lab/lab.sh up
	@$(PY) -m tests.standstill $(SEED) $(PY) -m pytest -q tests/e2e --numprocesses=2 --maxschedchunk=1 --max-worker-restart=0

lab: ## the lab, left running (a Docker engine and the base image are made if there are none)
	@echo "lab: asterisk1, ovs, asterisk2, offload and edge in containers"
	@lab/bootstrap.sh
	@lab/lab.sh up

lab-down: ## remove everything the lab made
	@lab/lab.sh purge

docs: .venv/.ready ## docs/ as a site, in build/site; a link that leads nowhere fails
	@test -x build/mkdocs/bin/mkdocs || { python3 -m venv build/mkdocs && build/mkdocs/bin/pip install --quiet --disable-pip-version-check 'mkdocs-material>=9.6,<10'; }
	@NO_MKDOCS_2_WARNING=1 build/mkdocs/bin/mkdocs build --quiet --clean

check: .venv/.ready ## lint, format, types and spelling, in seconds
	@echo "check: ruff, mypy and codespell"
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/codespell

.venv/.ready: pyproject.toml
	@scripts/venv.sh
