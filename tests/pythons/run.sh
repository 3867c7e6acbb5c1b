#!/bin/bash
# run.sh FOLDER [VERSION...]: the unit tests on each virtual environment FOLDER/3.X but those VERSIONs, as many at once
# as there are processors. One line for each, and all that pytest printed where one failed.
set -euo pipefail

export folder=$1
shift
logs=$(mktemp -d)
export logs
trap 'rm -r "$logs"' EXIT

one() {
    local python=$folder/$1/bin/python log=$logs/$1 status=0
    # A test that hangs on one Python alone ends here with its stack, and not with the patience of whoever waits.
    timeout 600 "$python" -m pytest -q -o faulthandler_timeout=60 tests/unit >"$log" 2>&1 || status=$?
    if [ "$status" = 124 ]; then echo "not done after 600 s" >>"$log"; fi
    [ "$status" = 0 ] || cat "$log"
    printf 'test: unit tests on %s: %s\n' "$("$python" --version)" "$(tail -n 1 "$log")"
    return "$status"
}
export -f one

# shellcheck disable=SC2016  # the version is an argument of the inner bash
find "$folder" -mindepth 1 -maxdepth 1 -name '3.*' -printf '%f\n' | { grep -vxF -f <(printf '%s\n' "$@") || true; } |
    sort -V | xargs -r -P "$(nproc)" -n 1 bash -euo pipefail -c 'one "$0"'
