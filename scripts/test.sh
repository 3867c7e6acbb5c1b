#!/bin/bash
# All tests: those of the lab's whole calls, which mostly wait, in two labs at a time, and beside them, into a log that is
# printed at the end, the others, which have containers of their own: the last of them, those of the fleet and of a switch
# in front of node 2, labs.
set -uo pipefail
source "$(dirname "$0")/../lab/lib.sh"

LAB=2 lab/lab.sh up || exit 1
beside=build/test-beside.log
test_others() {
    local status=0
    nice .venv/bin/python -m pytest tests/unit tests/integration || status=1
    LAB=fleet lab/lab.sh up && LAB=fleet nice .venv/bin/python -m pytest tests/fleet || return 1
    LAB=fleet lab/lab.sh down
    LAB=tor lab/lab.sh up && LAB=tor nice .venv/bin/python -m pytest tests/e2e/tor tests/e2e/test_moving_media.py || return 1
    LAB=tor lab/lab.sh down
    return $status
}
test_others >"$beside" 2>&1 </dev/null &
others=$!
trap 'pkill -P "$others"; kill "$others" 2>/dev/null' INT TERM
# One after another to whichever lab is free; one that is gone is not replaced by a third.
.venv/bin/python -m pytest tests/e2e --numprocesses=2 --maxschedchunk=1 --max-worker-restart=0 --durations=30
calls=$?
wait "$others"
status=$?
cat "$beside"
[ "$calls" = 0 ] && [ "$status" = 0 ] || exit 1
LAB=2 lab/lab.sh down # its logs are wanted only after a failure
