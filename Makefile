# One word per habit, the same here and in CI. Everything is made where it is needed: .venv/ (Python), .cache/ (servers).
PYTHON ?= python3
BIN := .venv/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
DEBIAN := postgresql pgbouncer redis-server chromium systemd

.PHONY: debian run once test check bench golden clean

run: $(BIN)/syncd quickstart.sqlite3  ## start the daemon on a small real Label Studio database
	@echo "syncd keeps ./out true to quickstart.sqlite3. Look at ./out/1/tasks, ./out/_syncd/state.json; stop with Ctrl-C."
	@$(BIN)/syncd run -c config/quickstart.yaml

once: $(BIN)/syncd quickstart.sqlite3  ## one pass, then done
	@$(BIN)/syncd sync -c config/quickstart.yaml
	@echo "wrote ./out: look at ./out/1/tasks and ./out/_syncd/state.json"

check: .venv/dev  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# FAST=1 leaves the live Label Studio out. Tests wait more than they compute: three processes share them, a file each.
test: .venv/dev debian $(if $(FAST),,.cache/label-studio/bin/label-studio)  ## every test, on real servers that it starts itself
	$(BIN)/pytest -n 3 --dist loadfile $(if $(FAST),-m "not live")

bench: .venv/dev  ## the figures of docs/performance.md
	for b in benchmarks/[!_]*.py; do echo "== $$b"; $(BIN)/python $$b || exit 1; done

golden: .venv/dev  ## rewrite the expected files of the formats; read the diff
	SYNCD_GOLDEN=write $(BIN)/pytest tests/unit -q

clean:
	rm -rf .venv .cache out out.state quickstart.sqlite3*

quickstart.sqlite3: config/quickstart.sqlite3.gz
	gzip -dc $< > $@

$(BIN)/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -U pip

$(BIN)/syncd: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install -q -e .
	@touch $@

.venv/dev: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install -q -e '.[spacy,parquet]' --group dev
	@touch $@

debian:  # what the tests need of Debian, as root or by sudo; nothing is asked for where all is there
	-@missing=$$(for p in $(DEBIAN); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); [ -z "$$missing" ] \
	  || ($(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends $$missing)

.cache/label-studio/bin/label-studio:
	$(PYTHON) -m venv .cache/label-studio
	.cache/label-studio/bin/python -m pip install -q -U pip
	.cache/label-studio/bin/python -m pip install -q label-studio==1.23.2
