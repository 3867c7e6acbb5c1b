#!/bin/bash
# deb.sh [FOLDER VERSION]: builds the Debian packages in a container, from the files that git knows or would add, and leaves them in
# dist/; or in another folder, as another version.
set -euo pipefail
part="deb"
source "$(dirname "$0")/../lab/lib.sh"

folder=${1:-dist} version=${2-}
build_image deb scripts/deb.Dockerfile
say "building the packages${version:+ of version $version}, and having lintian read them"
mkdir -p "$folder"
rm -f "$folder"/*.deb
git ls-files --cached --others --exclude-standard -z | xargs -0 ls -d 2>/dev/null | tar --create --files-from - |
    docker run --rm --interactive --network none --env SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" stasis-offload-lab/deb \
        bash -c "$(cat debian/build.sh)" build.sh "$version" 2>"$log" | tar --extract --directory "$folder" ||
    fail "the packages could not be built, see $log: $(tail -n 1 "$log")"
grep -E '^[EW]: ' "$log" || true # what lintian says
for package in "$folder"/*.deb; do
    say "$package, $(($(stat -c %s "$package") / 1024)) kB"
done
