#!/usr/bin/env bash
# Sets up an environment in .venv and runs every gate: format, lint, types, floors, tests.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3}
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' 2>&1 | grep -v 'is ignored: it is neither' || true
.venv/bin/python -c 'import platectl, pytest'
.venv/bin/ruff format --check .
.venv/bin/ruff check .
.venv/bin/mypy
.venv/bin/lint-imports
OPENBLAS_NUM_THREADS=1 .venv/bin/python -I -m pytest -q -n 2 "$@"
echo "nights that are killed (the count is printed; 2000 kills: -m long):"
OPENBLAS_NUM_THREADS=1 .venv/bin/python -m benchmarks.kill --kills 100 --json
