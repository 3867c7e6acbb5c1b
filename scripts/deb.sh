#!/bin/bash
# Builds the Debian packages in a container, from the files that git knows or would add, and leaves them in dist/.
set -euo pipefail
part="deb"
source "$(dirname "$0")/../lab/lib.sh"

say "building the image (the first time: a minute or two)"
docker build --quiet --network host --file scripts/deb.Dockerfile --tag stasis-offload-lab/deb . >/dev/null 2>"$log" ||
    fail "the image could not be built, see $log: $(tail -n 1 "$log")"
say "building the packages, and having lintian read them"
mkdir -p dist
rm -f dist/*.deb
git ls-files --cached --others --exclude-standard -z | xargs -0 ls -d 2>/dev/null | tar --create --files-from - |
    docker run --rm --interactive --network none --env SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" stasis-offload-lab/deb \
        bash -c "$(cat debian/build.sh)" 2>"$log" | tar --extract --directory dist ||
    fail "the packages could not be built, see $log: $(tail -n 1 "$log")"
grep -E '^[EW]: ' "$log" || true # what lintian says
for package in dist/*.deb; do
    say "$package, $(($(stat -c %s "$package") / 1024)) kB"
done
