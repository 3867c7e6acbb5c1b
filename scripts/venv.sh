#!/bin/bash
# Makes .venv with the project and its development tools; the Makefile calls it when pyproject.toml is newer.
set -euo pipefail
source "$(dirname "$0")/../lab/lib.sh"

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python 3.11 or newer is missing ($python is not): set PYTHON to one."
"$python" -c 'import ensurepip' 2>/dev/null || install "Python's venv module" python3-venv
say "making .venv with the project and its development tools"
"$python" -m venv --clear .venv
.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]' 2>"$log" ||
    fail "pip could not install the project: $(tail -n 1 "$log")"
touch .venv/.ready
