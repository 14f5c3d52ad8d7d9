# Two commands for users: `make serve` and `make test`. They need Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: serve test lint types check golden bench fuzz soak audit sbom release-check clean

serve: $(VENV)/.installed
	$(BIN)/callmocks serve $(ARGS)

test: $(VENV)/.tests
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

lint: $(VENV)/.tests
	scripts/lint

types: $(VENV)/.tests
	scripts/types

check: test lint types

# Against peers and the ceiling: make bench ARGS="--cases cdr-1 --rounds 3"; see docs/performance.md
bench: $(VENV)/.tests
	$(BIN)/python -m benchmarks compare $(ARGS)

# For as long as one likes: make fuzz ARGS="--seconds 600 cdr_rpc", make soak ARGS="--minutes 30"
fuzz soak audit release-check: $(VENV)/.tests
	scripts/$@ $(ARGS)

# What the wheel brings along, as CycloneDX, in dist/
sbom: $(VENV)/.tests
	scripts/release-check --sbom-only

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) scripts/bootstrap $(VENV)
	@touch $@

$(VENV)/.tests: $(VENV)/.installed
	$(PYTHON) scripts/bootstrap $(VENV) --tests
	@touch $@

clean:
	rm -rf $(VENV)
