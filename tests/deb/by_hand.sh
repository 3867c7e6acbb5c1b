#!/bin/bash
# In the host's container, as root, in /src: what docs/install.md says for a host without the packages, word by word, up to a call that is
# switched, and what it says to take it away, which leaves the host as it was. What pip would download is in /wheels.
set -euo pipefail

source "$(dirname "$0")/common.sh"

export PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PIP_ROOT_USER_ACTION=ignore

# commands NUMBER: a block of the page, from its first.
commands() { awk -v wanted="$1" '/^```/ { inside = !inside; number += inside; next } inside && number == wanted' /src/docs/install.md; }

# type NUMBER: runs a block of the page, with no question asked; a command that fails ends it. Somebody who types is slower than the
# switch's first answer, for which `check` would not wait.
type() {
    commands "$1" | sed -e 's/^stasis-offload setup.*/& --yes/' -e '/^stasis-offload check$/d' >/tmp/block
    [ -s /tmp/block ] || fail "the page has no block $1"
    (cd /src && DEBIAN_FRONTEND=noninteractive bash -exo pipefail /tmp/block) >/tmp/typed 2>&1 || fail "as the page says: $(tail -n 8 /tmp/typed)"
}

type 1
until_so "check finds something" stasis-offload check
ok "installed, set up and checked"
[ "$(stasis-offload setup --yes)" = "nothing to do" ] || fail "not all was done: $(stasis-offload setup --dry-run)"

begin_call
(cd /src && /opt/stasis-offload/bin/pip install --quiet --no-deps --force-reinstall .)
systemctl restart stasis-offload
make --silent -C /src/asterisk-module install
exchanged() { [[ "$(asterisk -rx 'module refresh res_rtpstreams.so')" = "Unloaded and loaded"* ]]; }
until_so "the module is not exchanged" exchanged # the application, which has just been restarted, may be asking it something
until_so "the call is not switched" state_is offloaded
ok "application and module are exchanged during the call"
end_call

type 3
as_before "taken away"
