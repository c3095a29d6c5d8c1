# The two commands a newcomer needs are `make demo` and `make test`; CI runs the same `make test`.
.POSIX:
PYTHON = python3
POSTOLKA = .venv/bin/postolka
SUDO = $$(test "$$(id -u)" = 0 || echo sudo)
# Where Python may not keep what it compiles, each of the tests' many processes compiles all again.
RUN = env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m

help: ; @echo "make demo   build the image, boot it, send real mail through it, leave it running"; echo "make test   formatting, types, and every test that fits into half an hour"; echo "make soak   the tests that take longer"; echo "make bench  how fast it is, beside plain mmdebstrap and Debian's daemons"; echo "make bench-peers  the same beside mkosi and Packer"; echo "make clean  stop what runs and drop this checkout's .venv, demo/ and dist/"

setup: .venv/installed

.venv/installed: pyproject.toml packer/setup.sh ; PYTHON=$(PYTHON) sh packer/setup.sh

demo: setup ; $(SUDO) sh packer/demo.sh

# Most tests wait for a daemon, not for a processor: five at a time, each with a lab of its own.
test: setup ; $(SUDO) $(RUN) pytest -m "not soak" -n 5 --dist loadfile --no-loadscope-reorder --durations 20 && echo "next: make demo, or make soak"

soak: setup ; $(SUDO) $(RUN) pytest -m soak && echo "next: make bench"

unit: setup ; $(RUN) pytest tests/unit tests/test_style.py

# BENCH=--json prints the figures for a program; BENCH="--only mail" measures one part.
bench: setup ; $(SUDO) $(RUN) tests.bench $(BENCH)

bench-peers: setup ; $(SUDO) $(RUN) tests.bench --only peers $(BENCH)

format: setup ; .venv/bin/ruff format . && .venv/bin/ruff check --fix .

clean: ; if [ -x $(POSTOLKA) ]; then $(SUDO) $(POSTOLKA) lab stop --all; fi; $(SUDO) rm -rf .venv demo dist

.PHONY: help setup demo test soak unit bench bench-peers format clean
