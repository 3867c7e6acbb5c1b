# shellcheck shell=bash
# build.sh [VERSION]: in the container: the source comes in as a tar, the packages go out as one; what is said goes to stderr.
set -euo pipefail
exec 3>&1 >&2
mkdir -p /build/source
cd /build/source
tar --extract --no-same-owner
[ -z "${1-}" ] || sed -i "/^\[project\]/,/^\[/s/^version *=.*/version = \"$1\"/" pyproject.toml
version=$(sed -n '/^\[project\]/,/^\[/s/^version *= *"\(.*\)".*/\1/p' pyproject.toml)
cat >debian/changelog <<END
stasis-offload ($version) unstable; urgency=medium

  * /usr/share/stasis-offload/CHANGELOG.md says what is new.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(date --utc --rfc-email --date "@$SOURCE_DATE_EPOCH")
END
DEB_BUILD_OPTIONS=noautodbgsym dpkg-buildpackage --build=binary --no-sign
lintian --fail-on error ../*.changes
tar --create --file - --directory .. -- $(cd .. && echo *.deb) >&3
