#!/bin/bash
# All tests: those of the lab's whole calls, which mostly wait, and beside them, into a log that is printed at the end, the
# others, which have containers of their own.
set -uo pipefail
source "$(dirname "$0")/../lab/lib.sh"

beside=build/test-beside.log
.venv/bin/python -m pytest tests/unit tests/integration >"$beside" 2>&1 </dev/null &
others=$!
trap 'kill "$others" 2>/dev/null' INT TERM
.venv/bin/python -m pytest tests/e2e
calls=$?
wait "$others"
status=$?
cat "$beside"
[ "$calls" = 0 ] && [ "$status" = 0 ] || exit 1
