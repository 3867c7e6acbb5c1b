#!/bin/bash
# The unit tests on every Python but that of .venv: on those of this machine first, and in a container on those that
# Debian forky has and this machine does not.
#
# PYTHONS="python3.12 /opt/python3.13/bin/python3" names those of this machine; otherwise it is each python3.X on PATH.
set -euo pipefail
part="test"
source "$(dirname "$0")/../../lab/lib.sh"

venvs=build/pythons
image=stasis-offload-pythons

version_of() { "$1" -c 'import sys; assert sys.version_info >= (3, 11); print("%d.%d" % sys.version_info[:2])' 2>"$log"; }

# make_venv PYTHON VERSION: as scripts/venv.sh does, but with the tests' tools alone.
make_venv() {
    say "making $venvs/$2 with the project and its tests' tools"
    "$1" -m venv --clear "$venvs/$2" >"$log" &&
        "$venvs/$2/bin/pip" install --quiet --disable-pip-version-check --editable '.[test]' 2>"$log" &&
        touch "$venvs/$2/.ready"
}

if [ -n "${PYTHONS-}" ]; then
    read -ra pythons <<<"$PYTHONS"
else
    mapfile -t pythons < <(compgen -c python3. | grep -xE 'python3\.[0-9]+' | sort -uV)
fi

mkdir -p "$venvs"
done=("$(version_of .venv/bin/python)")
for python in "${pythons[@]}"; do
    if ! version=$(version_of "$python"); then
        [ -z "${PYTHONS-}" ] || fail "PYTHONS: $python is no Python from 3.11 on: $(tail -n 1 "$log")"
        continue # too old, or a wrapper without a Python behind it
    fi
    [[ " ${done[*]} " != *" $version "* ]] || continue
    [ "$venvs/$version/.ready" -nt pyproject.toml ] || make_venv "$python" "$version" ||
        fail "no virtual environment for $python: $(tail -n 1 "$log")"
    done+=("$version")
done
# An environment of a Python that is not asked for today is kept, but not run.
mapfile -t others < <(find "$venvs" -mindepth 1 -maxdepth 1 -printf '%f\n' | grep -vxF -f <(printf '%s\n' "${done[@]:1}"))
tests/pythons/run.sh "$venvs" "${others[@]}"

say "building the image with the Pythons of Debian forky (the first time: minutes)"
docker build --network host --file tests/pythons/Dockerfile --tag "$image" . >"$log" 2>&1 ||
    fail "the image could not be built, see $log: $(tail -n 1 "$log")"
# Unit tests reach nothing outside: there is no network to reach.
docker run --rm --init --network none "$image" "${done[@]}"
