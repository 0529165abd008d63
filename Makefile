# Each target prepares .venv itself; the first call takes minutes, the next ones seconds.
# Choose another interpreter with:  make demo PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
TORCH := $(shell grep '^torch==' constraints.txt)
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(PY) -m pytest -q -n 2

.PHONY: help demo model outline test test-all lint bench clean
.DELETE_ON_ERROR:

help:
	@echo "make demo      segment the sample patient, into demo-output/"
	@echo "make model     retrain the default model, in hours, into model-output/; call it again to go on"
	@echo "make outline   retrain the network that outlines the brain, in minutes, into model-output/outline"
	@echo "make test      the fast tests"
	@echo "make test-all  all tests, the slow ones too"
	@echo "make lint      format, lint and types"
	@echo "make bench     time it on this CPU, in less than 20 minutes, into docs/benchmarks.md"
	@echo "make clean     remove .venv and caches"

demo: $(VENV)/.demo
	$(PY) -m ParetoSegLib.demo

# HEADS holds what is at hand of synthseg-label-maps/ and open-ms/; without them the MNI head is all.
HEADS ?= heads
MODEL ?= model-output
# To try it out in minutes:  make model MODEL=trial FEWER='--cases 2' SHORTER='steps=5 patch=[64,64,64]'
FEWER ?=
SHORTER ?=
SYNTHESIZE = $(PY) -m ParetoSegLib.synthesize --config Resources/Recipes/patients.yaml \
  --heads $(HEADS) --jobs 2
UNSEEN = --output $(MODEL)/unseen --raters 3
TRAIN = $(PY) -m ParetoSegLib.train --data $(MODEL)/patients
go_on = $(if $(wildcard $(MODEL)/$(1)/checkpoints/last.pt),--resume)

model: $(VENV)/.test
	$(SYNTHESIZE) --set mixed --output $(MODEL)/patients $(FEWER)
	$(SYNTHESIZE) --set large --output $(MODEL)/patients $(FEWER)
	$(SYNTHESIZE) --set edema --output $(MODEL)/patients $(FEWER)
	$(SYNTHESIZE) --set necrosis --output $(MODEL)/patients $(FEWER)
	$(SYNTHESIZE) --set cysts --output $(MODEL)/patients $(FEWER)
	$(SYNTHESIZE) --set small --output $(MODEL)/patients $(FEWER)
	$(SYNTHESIZE) --set mixed $(UNSEEN) --cases 12 --seed 2028 $(FEWER)
	$(SYNTHESIZE) --set large $(UNSEEN) --cases 6 --seed 2029 $(FEWER)
	$(SYNTHESIZE) --set edema $(UNSEEN) --cases 6 --seed 2030 $(FEWER)
	$(SYNTHESIZE) --set small $(UNSEEN) --cases 6 --seed 2034 $(FEWER)
	$(TRAIN) --output $(MODEL)/run --config Resources/Recipes/network.yaml \
	  $(call go_on,run) $(SHORTER)
	$(TRAIN) --output $(MODEL)/fixed --config Resources/Recipes/fixed_norms.yaml \
	  --start-from $(MODEL)/run/model $(call go_on,fixed) $(SHORTER)
	$(SYNTHESIZE) --set cysts --output $(MODEL)/hollow $(FEWER)
	$(SYNTHESIZE) --set large --output $(MODEL)/hollow $(FEWER)
	$(SYNTHESIZE) --set mixed --output $(MODEL)/hollow --cases 21 $(FEWER)
	$(SYNTHESIZE) --set necrosis --output $(MODEL)/hollow --cases 10 $(FEWER)
	$(PY) -m ParetoSegLib.train --data $(MODEL)/hollow --output $(MODEL)/hollow-run \
	  --config Resources/Recipes/hollow.yaml --start-from $(MODEL)/fixed/model \
	  $(call go_on,hollow-run) $(SHORTER)
	$(SYNTHESIZE) --set mixed --output $(MODEL)/last --cases 80 $(FEWER)
	$(SYNTHESIZE) --set small --output $(MODEL)/last --cases 50 $(FEWER)
	$(SYNTHESIZE) --set large --output $(MODEL)/last --cases 14 $(FEWER)
	$(SYNTHESIZE) --set edema --output $(MODEL)/last --cases 14 $(FEWER)
	$(SYNTHESIZE) --set necrosis --output $(MODEL)/last --cases 10 $(FEWER)
	$(SYNTHESIZE) --set cysts --output $(MODEL)/last --cases 18 $(FEWER)
	$(PY) -m ParetoSegLib.train --data $(MODEL)/last --output $(MODEL)/last-run \
	  --config Resources/Recipes/small_and_t1c.yaml --start-from $(MODEL)/hollow-run/model \
	  $(call go_on,last-run) $(SHORTER)
	$(PY) -m ParetoSegLib.calibrate --model $(MODEL)/last-run/model --data $(MODEL)/unseen \
	  --output $(MODEL)/calibrated --largest-move 0.5

outline: $(VENV)/.test
	$(PY) -m ParetoSegLib.synthesize --config Resources/Recipes/brain_heads.yaml --heads $(HEADS) \
	  --jobs 2 --output $(MODEL)/heads $(FEWER)
	$(PY) -m ParetoSegLib.train --data $(MODEL)/heads --output $(MODEL)/outline \
	  --config Resources/Recipes/brain_outline.yaml $(call go_on,outline) $(SHORTER)

# Slicer's libraries stay out of the processes of the other tests.
test: $(VENV)/.test
	$(PYTEST) -m "not slow" --ignore=Testing/panel
	$(PYTEST) -m "not slow" Testing/panel

test-all: $(VENV)/.test
	$(PYTEST)

lint: $(VENV)/.test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# The page is written even where a script has failed; what it needs is then "not measured".
bench: $(VENV)/.bench
	@$(PY) benchmarks/run_all.py $(BENCH); status=$$?; $(PY) benchmarks/page.py && exit $$status

# PyTorch goes first and alone: the pinned build then satisfies every other package's range.
$(VENV)/.torch: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "ParetoSeg needs Python 3.10 or newer as $(PYTHON); install it, or name another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "This Python cannot make environments; install its venv module (on Debian and Ubuntu: python3-venv)." >&2; exit 1; }
	@[ -x $(PY) ] || { echo "Making $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "Installing PyTorch (some minutes the first time) ..."
	@$(PY) -m pip install -q --disable-pip-version-check $(TORCH)
	@touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	@echo "Installing ParetoSeg and what it needs ..."
	@$(PY) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[train]'
	@touch $@

$(VENV)/.test: $(VENV)/.torch pyproject.toml
	@echo "Installing ParetoSeg and what its tests need ..."
	@$(PY) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.bench: $(VENV)/.test
	@echo "Installing OpenVINO, ISA-L, and nnU-Net to compare with ..."
	@$(PY) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
