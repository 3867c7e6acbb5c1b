#!/bin/bash
# All tests: those of the lab's whole calls, which mostly wait, in two labs at a time, and beside them, one after another, those that
# have containers of their own, and those of the fleet and of a switch in front of node 2, labs. What these print is printed when the
# calls are through; then comes the page, in a lab without calls.
set -uo pipefail
source "$(dirname "$0")/../lab/lib.sh"

beside=build/test-beside.log
failed=()

# attempt NAME COMMAND...: what a part prints, whether it succeeds, and how long it took.
attempt() {
    local name=$1 status=0 begun=$SECONDS
    shift
    printf '\n===== %s\n' "$name"
    "$@" 2>&1 </dev/null || status=$?
    printf '===== %s: %s, %s s\n' "$name" "$([ "$status" = 0 ] && echo passed || echo "FAILED ($status)")" "$((SECONDS - begun))"
    return "$status"
}

# in_lab NAME TEST...: in a lab of its own, which stays after a failure.
in_lab() {
    local -x LAB=$1
    shift
    lab/lab.sh up && .venv/bin/python -m pytest "$@" && lab/lab.sh down
}

# Each has names, networks and addresses of its own.
all_beside() {
    local status=0
    renice --priority 10 "$BASHPID" >/dev/null
    attempt "unit and integration tests" .venv/bin/python -m pytest tests/unit tests/integration || status=1
    attempt "the fleet" in_lab fleet tests/fleet || status=1
    attempt "a switch in front of node 2" in_lab tor tests/e2e/tor tests/e2e/test_{moving_media,vlans,ports}.py || status=1
    attempt "make docs" make --no-print-directory docs || status=1
    attempt "make test-deb" make --no-print-directory test-deb || status=1
    attempt "make test-systemd" make --no-print-directory test-systemd || status=1
    attempt "make browser, for test-page" make --no-print-directory browser || status=1
    return "$status"
}

LAB=2 lab/lab.sh up || exit 1
set -m # a process group of its own, to be ended with all that it started
all_beside >"$beside" &
others=$!
set +m
trap 'kill -- "-$others" 2>/dev/null' INT TERM
# One after another to whichever lab is free; one that is gone is not replaced by a third.
.venv/bin/python -m pytest tests/e2e --numprocesses=2 --maxschedchunk=1 --max-worker-restart=0 --durations=30
calls=$?
wait "$others" || failed+=("what ran beside the calls")
cat "$beside"
[ "$calls" = 0 ] || failed+=("whole calls in the lab")
attempt "make test-page" make --no-print-directory test-page || failed+=("make test-page")
[ ${#failed[@]} = 0 ] || { printf 'FAILED: %s\n' "${failed[@]}"; exit 1; }
LAB=2 lab/lab.sh down # its logs are wanted only after a failure
