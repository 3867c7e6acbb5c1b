"""What `check` says to root, on Asterisk's own host: what the service may do, which is less than root."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from lab import control, place

SOCKET = "/run/openvswitch/breth0.mgmt"


def checked_by_root(*options: str) -> list[str]:
    """Type it as root beside Asterisk and its bridge, before the application runs there; return the lines, and the status."""
    inspected = json.loads(control.docker("inspect", control.container("offload")))[0]
    variables = [
        *inspected["Config"]["Env"],
        f"STASIS_OFFLOAD_ARI__URL=http://{place.ipv4(12)}:8088",
        "STASIS_OFFLOAD_OPENFLOW__INSTANCE=5",  # to the bridge it is another application than the lab's
    ]
    return control.docker(
        "run",
        "--rm",
        "--user=0",
        f"--network=container:{control.container('ovs')}",
        f"--volumes-from={inspected['Id']}",
        *(f"--env={variable}" for variable in variables),
        inspected["Config"]["Image"],
        *("sh", "-c", 'stasis-offload check --before-start "$@"; echo "status $?"', "sh", *options),
    ).splitlines()


@contextmanager
def closed(path: str) -> Iterator[None]:
    """Leave a socket to root, as ovs-vswitchd makes it; whoever is connected stays so."""
    before = control.execute("ovs", "stat", "-c", "%a %g", path).split()
    control.execute("ovs", "chmod", "750", path)
    control.execute("ovs", "chgrp", "0", path)
    try:
        yield
    finally:
        control.execute("ovs", "chgrp", before[1], path)
        control.execute("ovs", "chmod", before[0], path)


def test_root_sees_what_the_service_may_do_and_that_rtp_passes_the_bridge() -> None:
    lines = checked_by_root()
    assert lines[0].startswith("ok     user: offload (groups ")
    assert lines[0].endswith("offload), whom the service runs as; started by root")
    assert lines[1].startswith("ok     health: not yet: the application is not running")
    assert "ok     bridge address: this host sends by breth0: RTP passes the bridge" in lines
    assert lines[-1] == "status 0"
    with closed(SOCKET):
        *lines, status = checked_by_root()
    failed = [line for line in lines if line.startswith("FAILED ")]
    assert len(failed) == 1
    assert failed[0].startswith(
        f"FAILED switch: {SOCKET} is srwxr-x--- root:root, closed to us: ovs-vswitchd makes it "
    )
    unit = "stasis-offload-socket@breth0"
    assert failed[0].endswith(f": `systemctl enable --now {unit}.path {unit}.service`")
    assert status == "status 1"


def test_root_may_name_the_user() -> None:
    lines = checked_by_root("--user", "nobody", "--json")
    answer = json.loads("\n".join(lines[:-1]))
    user, *items = answer["items"]
    assert user["text"].startswith("nobody (groups nogroup), whom the service runs as")
    (socket,) = [item for item in items if item["name"] == "control socket"]
    assert not socket["ok"]
    assert socket["command"].startswith("usermod -aG ")
    assert socket["command"].endswith(" nobody && systemctl restart stasis-offload")
    assert lines[-1] == "status 1"


def test_asterisk_has_the_rights_that_debians_unit_gives_it_and_the_application_is_in_its_group() -> None:
    groups = control.execute("asterisk2", "sed", "-n", "s/^Groups:[[:space:]]*//p", "/proc/1/status")
    assert groups.strip() == ""  # so it can give its socket to no other group than its own
    owner = control.execute("asterisk2", "stat", "-c", "%a %U:%G", "/run/asterisk/asterisk.ctl").strip()
    assert owner == "660 asterisk:asterisk"
    assert "asterisk" in control.execute("offload", "id", "-Gn").split()
