"""TLS between us and a real Open vSwitch: either dials, both show a certificate, and who has none gets nothing."""

import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from stasis_offload.errors import SwitchUnavailableError
from stasis_offload.media.roles import owner_of
from stasis_offload.openflow.channel import Timeouts
from stasis_offload.openflow.endpoint import LOOPBACK, Pssl, Ssl, Tls
from stasis_offload.openflow.events import SwitchDown, SwitchUp
from tests.integration.test_openflow_connection import free_port
from tests.support.many_calls import flows_of
from tests.support.ovs_container import Bridge, Ovs
from tests.support.switch_events import connected, running


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *(
                "-days",
                "1",
                "-subj",
                f"/CN={name}",
                "-keyout",
                folder / f"{name}.key",
                "-out",
                folder / f"{name}.pem",
            ),
        )

    def signed(self, name: str) -> Tls:
        """Return the files of somebody with a certificate of this authority."""
        key, request, certificate = (
            self.folder / f"{self.name}-{name}.{end}" for end in ("key", "csr", "pem")
        )
        _openssl(
            *(
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-subj",
                f"/CN={name}",
            ),
            *("-keyout", key, "-out", request),
        )
        authority = self.folder / self.name
        _openssl(
            *("x509", "-req", "-days", "1", "-in", request, "-out", certificate, "-CAcreateserial"),
            *("-CA", f"{authority}.pem", "-CAkey", f"{authority}.key"),
        )
        return Tls(str(key), str(certificate), f"{authority}.pem")


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True)


@pytest.fixture
def ours(ovs: Ovs) -> Tls:
    """Have the switch know an authority, and be known by it; return our own files.

    In files of other names than before: while some of the old ones were replaced, it might read a key without its certificate,
    and then never the two together (lib/stream-ssl.c, stream_ssl_set_key_and_cert).
    """
    authority = Authority(Path(tempfile.mkdtemp(dir=ovs.directory)), "authority")
    switch = authority.signed("switch")
    ovs.vsctl("set-ssl", switch.private_key, switch.certificate, switch.ca_certificate)
    return authority.signed("application")


@pytest.fixture
def stranger(ovs: Ovs, ours: Tls) -> Tls:
    """Return the files of somebody with a certificate of another authority, who knows the right one."""
    folder = Path(tempfile.mkdtemp(dir=ovs.directory))
    return replace(Authority(folder, "other").signed("stranger"), ca_certificate=ours.ca_certificate)


async def test_a_switch_that_listens_is_dialled(ovs: Ovs, bridge: Bridge, ours: Tls) -> None:
    endpoint = Ssl(LOOPBACK, free_port(), ours)
    ovs.vsctl("set-controller", bridge.name, f"pssl:{endpoint.port}:{LOOPBACK}")
    async with connected(endpoint) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert bridge.cookies() == {flow.cookie for flow in flows_of("call")}


async def test_a_switch_may_dial_us(ovs: Ovs, bridge: Bridge, ours: Tls) -> None:
    endpoint = Pssl(free_port(), LOOPBACK, ours)
    _dial(ovs, bridge, endpoint)
    async with connected(endpoint) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert bridge.cookies() == {flow.cookie for flow in flows_of("call")}


def _dial(ovs: Ovs, bridge: Bridge, endpoint: Pssl) -> None:
    ovs.vsctl(
        *("set-fail-mode", bridge.name, "secure"),
        *("--", "set-controller", bridge.name, f"ssl:{LOOPBACK}:{endpoint.port}"),
        *("--", "set", "controller", bridge.name, "max_backoff=1000"),
    )


async def test_whoever_has_a_certificate_of_another_authority_is_no_switch_and_no_application(
    ovs: Ovs, bridge: Bridge, ours: Tls, stranger: Tls
) -> None:
    listening, dialled = Ssl(LOOPBACK, free_port(), stranger), Pssl(free_port(), LOOPBACK, ours)
    ovs.vsctl("set-controller", bridge.name, f"pssl:{listening.port}:{LOOPBACK}")
    async with running(listening) as (switch, events):
        await events.next(SwitchDown)
        with pytest.raises(SwitchUnavailableError):
            await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
    ovs.vsctl("set-ssl", stranger.private_key, stranger.certificate, stranger.ca_certificate)
    _dial(ovs, bridge, dialled)
    async with running(dialled, timeouts=Timeouts(connect=2.0)) as (_, events):
        assert (await events.next(SwitchDown)).reason == f"no switch has connected to {dialled} within 2 s"
    assert bridge.cookies() == set()


async def test_a_bridge_that_is_not_the_one_gets_nothing(ovs: Ovs, bridge: Bridge) -> None:
    known = ovs.vsctl("get", "bridge", bridge.name, "datapath_id").strip().strip('"')
    other = f"{int(known, 16) + 1:016x}"
    flows = bridge.ofctl("dump-flows")
    async with running(bridge.management, datapath_id=other) as (_, events):
        reason = (await events.next(SwitchDown)).reason
    assert reason == f"{bridge.management} is datapath {known}, not {other}"
    assert bridge.ofctl("dump-flows") == flows
    async with running(bridge.management, datapath_id=known) as (_, events):
        await events.next(SwitchUp)
