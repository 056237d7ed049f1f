#!/usr/bin/env bash
# Sets up an environment in .venv and runs the sigma-1 head-to-head on the simulated lab.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3}
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . 2>&1 | grep -v 'is ignored: it is neither' || true
exec .venv/bin/platectl run sigma1-binding "$@"
