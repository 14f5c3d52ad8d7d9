# Two commands for users: `make serve` and `make test`. They need Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Tools for releases have an environment of their own: what they bring along slows jsonschema down.
RELEASE_VENV ?= .venvs/release
SITE_VENV ?= .venvs/site

.PHONY: serve test test-slow lint types check golden bench fuzz soak audit dist sbom release-check site clean

serve: $(VENV)/.installed
	$(BIN)/callmocks serve $(ARGS)

# Tests start interpreters: without compiled modules each compiles the package again.
test test-slow: export PYTHONDONTWRITEBYTECODE =

test: $(VENV)/.tests
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

# Other Pythons, maxima, random schedules of replicas, the examples and a fresh clone, the site.
# What measures how long others wait comes last, alone. Exit code 5: the run selected no test; one of
# them must.
test-slow: $(VENV)/.tests
	first=0; $(BIN)/python -m pytest -n auto --dist loadfile $(ARGS) -m "slow and not alone" || first=$$?; \
	case $$first in 0|5) ;; *) exit $$first ;; esac; \
	$(BIN)/python -m pytest $(ARGS) -n 0 -m "slow and alone" --cov-append || \
	{ second=$$?; test $$second = 5 && exit $$first; exit $$second; }

lint: $(VENV)/.tests
	scripts/lint

types: $(VENV)/.tests
	scripts/types

check: test lint types

# Against peers and bare aiohttp: make bench ARGS="--cases cdr-1 --rounds 3"; see docs/performance.md
bench: $(VENV)/.tests
	$(BIN)/python -m benchmarks compare $(ARGS)

# For as long as one likes: make fuzz ARGS="--seconds 600 cdr_rpc", make soak ARGS="--minutes 30"
fuzz soak: $(VENV)/.tests
	scripts/$@ $(ARGS)

# A wheel and a source archive, in dist/
dist: $(RELEASE_VENV)/.installed
	$(RELEASE_VENV)/bin/python -m build --outdir dist .

audit: $(RELEASE_VENV)/.installed
	scripts/audit

release-check: $(VENV)/.tests $(RELEASE_VENV)/.installed
	scripts/release-check $(ARGS)

# What the wheel brings along, as CycloneDX, in dist/
sbom: $(RELEASE_VENV)/.installed
	scripts/release-check --sbom-only

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) scripts/bootstrap $(VENV)
	@touch $@

$(VENV)/.tests: $(VENV)/.installed
	$(PYTHON) scripts/bootstrap $(VENV) --tests
	@touch $@

$(RELEASE_VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) scripts/bootstrap $(RELEASE_VENV) --release
	@touch $@

# The documentation as a site, in dist/site
site: $(SITE_VENV)/.installed
	$(SITE_VENV)/bin/python scripts/docs-site dist/site

$(SITE_VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) scripts/bootstrap $(SITE_VENV) --site
	@touch $@

clean:
	rm -rf $(VENV) $(RELEASE_VENV) $(SITE_VENV)
