# Each target builds what it needs: `make tune STUDY=mnist_mlp` works right after a clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet

STUDY ?=
LABEL ?=
TRIALS ?=
MINUTES ?=
TARGET ?=
PATIENCE ?=
TRAINER ?=
FLEET ?=
WORKERS ?=
DEVICES ?=
CLUSTER ?=
STORAGE ?=
RULES ?=
PAIRS ?=
PORT ?= 8080
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install tune audit ablate front best report dashboard studies doctor test quick check lint docs bench pictures clean

help:
	@echo "make tune STUDY=mnist_mlp    tune a study of studies/ (or a path to a .toml file)"
	@echo "                             TRIALS=100 MINUTES=20 TARGET=0.985 PATIENCE=50 set its budget"
	@echo "                             WORKERS=4 processes, FLEET=16 trials in all at once"
	@echo "                             DEVICES=0,2 or cpu, CLUSTER=ray or ray://host:10001"
	@echo "                             STORAGE=postgresql://user@host/database for a team"
	@echo "                             TRAINER=solo trains one trial at a time"
	@echo "                             ARGS=--new begins anew and puts the earlier trials aside"
	@echo "make tune STUDY=rows.csv LABEL=y  a table, of which the column y is predicted"
	@echo "make tune STUDY=digits_cnn   the same for a LightningModule (docs/modules.md)"
	@echo "make best STUDY=mnist_mlp    print the winner, and how sure its score is"
	@echo "make report STUDY=mnist_mlp  all of it in one HTML file: runs/mnist_mlp/report.html"
	@echo "make front STUDY=mnist_mlp   how good networks of each size are, down to very small ones"
	@echo "                             MINUTES=2 limits its time"
	@echo "make ablate STUDY=mnist_mlp  which change from the rules to the winner gained how much"
	@echo "make audit STUDY=digits_mlp  judge the rules of thumb on the data"
	@echo "                             RULES=S7,S24 PAIRS=6 judge less in less time"
	@echo "make dashboard [PORT=8080]   look at every study in optuna-dashboard"
	@echo "make studies                 list the studies"
	@echo "make doctor                  say what would trip you on this machine"
	@echo "make test                    run the tests"
	@echo "make quick                   run those that take no process and no more than seconds"
	@echo "make docs                    build the site, into site/"
	@echo "make check                   format, lint, types, layers, the site and tests"
	@echo "make bench                   time a stock script, a plain loop and the fleet side by side"
	@echo "make pictures                make the README's pictures of the report anew (needs Chromium)"
	@echo "make clean                   remove .venv and caches (runs/ is kept)"

# The environment of users, and on top of it that of developers.
$(BIN)/.user: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "tuner needs Python 3.11 or later; choose one with PYTHON=python3.12"; exit 2; }
	@echo "building $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(BIN)/.developer: $(BIN)/.user
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(BIN)/.user

# exec hands signals straight to tuner, so that Ctrl-C ends it and nothing else.
tune audit ablate front best report: $(BIN)/.user
	@test -n "$(STUDY)" || { echo "which study? make $@ STUDY=mnist_mlp"; exit 2; }
	@exec $(BIN)/tuner $@ "$(STUDY)" $(if $(filter tune,$@), \
		$(if $(LABEL),--label "$(LABEL)") $(if $(TRIALS),--trials "$(TRIALS)") $(if $(MINUTES),--minutes "$(MINUTES)") \
		$(if $(TARGET),--target "$(TARGET)") \
		$(if $(PATIENCE),--patience "$(PATIENCE)") $(if $(TRAINER),--trainer "$(TRAINER)") \
		$(if $(FLEET),--fleet "$(FLEET)")) $(if $(filter audit,$@), \
		$(if $(RULES),--rules "$(RULES)") $(if $(PAIRS),--pairs "$(PAIRS)")) \
		$(if $(filter audit front,$@),$(if $(MINUTES),--minutes "$(MINUTES)")) \
		$(if $(filter tune audit ablate front,$@), $(if $(WORKERS),--workers "$(WORKERS)") \
		$(if $(DEVICES),--devices "$(DEVICES)") $(if $(CLUSTER),--cluster "$(CLUSTER)")) \
		$(if $(filter tune audit ablate front report,$@),$(if $(STORAGE),--storage "$(STORAGE)")) $(ARGS)

dashboard: $(BIN)/.user
	@exec $(BIN)/tuner dashboard --port "$(PORT)" $(if $(STORAGE),--storage "$(STORAGE)") $(ARGS)

studies doctor: $(BIN)/.user
	@exec $(BIN)/tuner $@ $(if $(STORAGE),--storage "$(STORAGE)") $(ARGS)

# A test process that crashes ends the tests, which else would wait for it. Whatever the shell says of
# bytecode, what many processes load is compiled once.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --max-worker-restart 0

test: $(BIN)/.developer
	@$(PYTEST) $(ARGS)

quick: $(BIN)/.developer
	@$(PYTEST) -m "not slow and not process and not gpu" $(ARGS)

lint: $(BIN)/.developer
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

# The site, in site/; whatever mkdocs warns of is an error.
docs: $(BIN)/.developer
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

check: lint docs
	@$(MAKE) --no-print-directory test

bench: $(BIN)/.developer
	@$(BIN)/python -m benchmarks.throughput $(ARGS)
	@$(BIN)/python -m benchmarks.workers
	@$(BIN)/python -m benchmarks.scaling
	@$(BIN)/python -m benchmarks.presets

pictures: $(BIN)/.developer
	@$(BIN)/python docs/pictures.py

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
