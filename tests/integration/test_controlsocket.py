"""A real Asterisk's CLI socket and a real res_rtpstreams, while it boots, while calls are up, and when it is gone."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import pytest

from stasis_offload.asterisk.control_socket import ask
from stasis_offload.asterisk.leg_report import Glue, LegReport, RtcpMode
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.errors import ModuleError

IMAGE = os.environ.get("STASIS_OFFLOAD_ASTERISK_IMAGE", "stasis-offload-lab/asterisk2")
WITHIN = 120.0
NOBODY = 65534

# An Asterisk that calls itself over loopback: `bridge` dials `answer`, so that two legs of its own are bridged.
FILES = {
    "asterisk.conf": """
        [directories]
        astetcdir => /cfg
        astrundir => /run/asterisk
        [options]
        hideconnect = yes
        disable_remote_console_shell = yes
        [files]
        astctlpermissions = 0666
        """,
    "modules.conf": "[modules]\nautoload = no\n"
    + "".join(
        f"load = {name}.so\n"
        for name in (
            *("res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_pjproject", "res_pjsip"),
            *(
                "res_pjsip_session",
                "res_pjsip_pubsub",
                "res_pjsip_sdp_rtp",
                "res_pjsip_endpoint_identifier_ip",
                "chan_pjsip",
            ),
            *("res_rtp_asterisk", "res_timing_timerfd", "codec_ulaw", "codec_alaw", "pbx_config", "app_dial"),
            *("app_echo", "app_milliwatt", "res_clioriginate"),
            *("bridge_simple", "bridge_native_rtp", "res_rtpstreams"),
        )
    ),
    "pjsip.conf": """
        [udp]
        type = transport
        protocol = udp
        bind = 127.0.0.1
        [self]
        type = endpoint
        context = self
        disallow = all
        allow = ulaw
        direct_media = no
        rtp_symmetric = yes
        aors = self
        [self]
        type = aor
        contact = sip:127.0.0.1
        [self]
        type = identify
        endpoint = self
        match = 127.0.0.1
        """,
    "extensions.conf": """
        [self]
        exten => bridge,1,Dial(PJSIP/answer@self)
        exten => answer,1,Answer()
         same => n,Milliwatt()
        """,
    "cli_permissions.conf": """
        [general]
        default_perm = permit
        [nobody]
        deny = rtpstreams
        """,
    "logger.conf": "[logfiles]\nconsole = warning,error\n",
}


def run_docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, capture_output=True)


@contextmanager
def asterisk(directory: Path) -> Iterator[tuple[str, Path]]:
    """Start an Asterisk without waiting for it; yields its container's name and its socket."""
    etc, run = directory / "etc", directory / "run"
    etc.mkdir()
    run.mkdir()
    for name, text in FILES.items():
        (etc / name).write_text("\n".join(line.strip() for line in text.splitlines()) + "\n")
    name = f"stasis-offload-test-controlsocket-{os.getpid()}-{directory.name}"
    volumes = ["-v", f"{etc}:/cfg:ro", "-v", f"{run}:/run/asterisk"]
    command = ["asterisk", "-f", "-C", "/cfg/asterisk.conf"]
    run_docker("run", "--detach", "--network", "none", "--name", name, *volumes, IMAGE, *command)
    try:
        yield name, run / "asterisk.ctl"
    finally:
        run_docker("rm", "--force", "--volumes", name)


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    """Start an Asterisk whose socket others get to, too: not in pytest's folder, which each start of pytest closes to them."""
    with TemporaryDirectory(prefix="asterisk-") as folder, asterisk(Path(folder)) as (name, path):
        Path(folder).chmod(0o755)
        waiting = [
            "docker",
            "exec",
            name,
            "asterisk",
            "-C",
            "/cfg/asterisk.conf",
            "-rx",
            "core waitfullybooted",
        ]
        end = monotonic() + WITHIN
        while subprocess.run(waiting, check=False, capture_output=True).returncode:
            assert monotonic() < end, "Asterisk does not start"
        yield path


async def legs_once(module: RtpStreams, path: Path, wanted: int) -> tuple[LegReport, ...]:
    """Ask until so many legs are bridged natively and have heard media; the bridge is the only one there is."""
    async with asyncio.timeout(WITHIN):
        while True:
            listing = await ask(path, "bridge show all", connect_within=WITHIN)
            bridges = [line.split()[0] for line in listing.splitlines()[1:]]
            legs = [leg for bridge in bridges for leg in await module.report(bridge)]
            if len(legs) == wanted and all(leg.packets_rx and leg.local_bridge for leg in legs):
                return tuple(legs)


async def test_the_modules_version_is_told(path: Path) -> None:
    version = await RtpStreams(path, deadline=WITHIN).version()
    assert [part.isdigit() for part in version.split(".")] == [True] * 3


@pytest.mark.parametrize(
    "bridge", ["no-such-bridge", 'with space and "quotes"', "back\\slash", "ünïcode", ""]
)
async def test_a_bridge_that_does_not_exist_has_no_legs(path: Path, bridge: str) -> None:
    assert await RtpStreams(path, deadline=WITHIN).report(bridge) == ()


async def test_the_legs_of_a_call_are_reported_each_with_the_other_as_its_peer(path: Path) -> None:
    module = RtpStreams(path, deadline=WITHIN)
    await ask(path, "channel originate PJSIP/bridge@self application Echo", connect_within=WITHIN)
    try:
        one, other = await legs_once(module, path, 2)
    finally:
        await ask(path, "channel request hangup all", connect_within=WITHIN)
    assert (one.peer_id, other.peer_id) == (other.channel_id, one.channel_id)
    assert one.bridge_id == other.bridge_id
    assert {one.channel.partition("-")[0], other.channel.partition("-")[0]} == {"PJSIP/self"}
    for leg in (one, other):
        assert (leg.state, leg.bridge_technology, leg.bridge_channels) == ("Up", "native_rtp", 2)
        assert (leg.glue, leg.video_glue, leg.rtcp) == (Glue.LOCAL, Glue.NONE, RtcpMode.SEPARATE)
        assert (leg.audio_pt_tx, leg.audio_pt_rx, leg.format_tx, leg.format_rx) == (0, 0, "ulaw", "ulaw")
        assert leg.formats == ("ulaw",)
        assert leg.local is not None
        assert leg.local != leg.remote
        assert [leg.srtp, leg.dtls, leg.ice, leg.t38, leg.hold] == [False] * 5
        assert [leg.audio_hook, leg.dtmf_hooks] == [False] * 2
        assert leg.idle is not None


async def test_many_questions_at_once_are_all_answered(path: Path) -> None:
    module = RtpStreams(path, deadline=WITHIN)
    assert set(await asyncio.gather(*(module.report("none") for _ in range(200)))) == {()}


async def test_an_unloaded_module_is_told_from_a_missing_asterisk(path: Path) -> None:
    module = RtpStreams(path, deadline=WITHIN)
    await ask(path, "module unload res_rtpstreams.so", connect_within=WITHIN)
    try:
        with pytest.raises(
            ModuleError, match=r"asterisk.ctl: res_rtpstreams is not loaded; .* says why not$"
        ):
            await module.report("offload-1")
    finally:
        await ask(path, "module load res_rtpstreams.so", connect_within=WITHIN)
    assert await module.report("offload-1") == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else")
async def test_a_user_whom_cli_permissions_refuses_is_told_so(path: Path) -> None:
    os.seteuid(NOBODY)
    try:
        with pytest.raises(
            ModuleError, match=r"was refused: cli_permissions\.conf does not let our user run it"
        ):
            await RtpStreams(path, deadline=WITHIN).report("offload-1")
    finally:
        os.seteuid(0)


async def test_an_asterisk_that_boots_or_dies_gives_named_errors_and_then_answers(tmp_path: Path) -> None:
    module = RtpStreams(tmp_path / "run" / "asterisk.ctl", deadline=WITHIN)
    causes: list[str] = []

    async def is_up() -> bool:
        try:
            await module.version()
        except ModuleError as error:
            causes.append(str(error))
            return False
        return True

    assert not await is_up()
    with asterisk(tmp_path) as (name, path):
        async with asyncio.timeout(WITHIN):
            while not await is_up():  # noqa: ASYNC110 - Asterisk has no event
                await asyncio.sleep(0.01)
        assert all(cause.startswith(f"{path}: ") for cause in causes)
        await asyncio.to_thread(run_docker, "kill", name)
        with pytest.raises(ModuleError, match="no process listens; Asterisk is not running"):
            await module.version()
