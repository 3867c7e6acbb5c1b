"""What `check` says of a real Asterisk, and that the command it prints for what is missing cures it."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from stasis_offload.checks.asterisk_side import check_ari
from stasis_offload.checks.items import Item
from stasis_offload.checks.modules import NEEDED
from stasis_offload.checks.running import Running
from stasis_offload.config import Config
from stasis_offload.config_sections import AriSettings, AsteriskSettings, OpenFlowSettings
from tests.support.asterisk_container import Asterisk, docker, started

PASSWORD = "s3cret-enough"
# What a hand-made modules.conf is likely to lack: nothing else loads these.
LACKING = ("res_ari_bridges", "res_ari_playbacks", "bridge_native_rtp", "app_stasis")
# In an order in which each finds what it needs.
LOADED = (
    *("res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_pjproject", "res_pjsip"),
    *("res_pjsip_session", "res_pjsip_pubsub", "res_pjsip_sdp_rtp", "chan_pjsip", "res_srtp"),
    *("res_rtp_asterisk", "res_timing_timerfd", "codec_ulaw", "pbx_config", "bridge_simple"),
    *("res_http_websocket", "res_websocket_client", "res_stasis", "res_stasis_answer", "res_stasis_playback"),
    *("res_stasis_recording", "res_stasis_snoop", "res_stasis_device_state", "res_ari", "res_ari_model"),
    *("res_ari_endpoints", "res_rtpstreams"),
    *(module for module in NEEDED if module not in LACKING),
)
ENDPOINT = "[{name}]\ntype = endpoint\ndisallow = all\nallow = ulaw\n{more}\n"
FILES = {
    "asterisk.conf": "[directories]\nastetcdir => /cfg\n[options]\nhideconnect = yes\n",
    "modules.conf": "[modules]\nautoload = no\n" + "".join(f"load = {module}.so\n" for module in LOADED),
    "http.conf": "[general]\nenabled = yes\nbindaddr = 0.0.0.0\nbindport = 8088\n",
    "ari.conf": "[general]\nenabled = yes\nwebsocket_write_timeout = 10000\n"
    + "".join(
        f"[{user}]\ntype = user\npassword = {PASSWORD}\nread_only = {only}\n"
        for user, only in (("offload", "no"), ("reader", "yes"))
    ),
    "extensions.conf": "[in]\nexten => _X.,1,Hangup()\n",
    "logger.conf": "[logfiles]\nconsole = warning,error\n",
    "pjsip.conf": "[udp]\ntype = transport\nprotocol = udp\nbind = 127.0.0.1\n"
    + "".join(
        ENDPOINT.format(name=name, more=more)
        for name, more in (
            ("fine", "direct_media = no"),
            ("untouched", ""),
            ("kept-alive", "direct_media = no\nrtp_keepalive = 15"),
            ("impatient", "direct_media = no\nrtp_timeout = 5"),
            ("secret", "direct_media = no\nmedia_encryption = sdes"),
        )
    ),
}


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    with started(tmp_path_factory.mktemp("check"), FILES) as asterisk:
        yield asterisk


async def checked(
    asterisk: Asterisk, *, username: str = "offload", password: str = PASSWORD
) -> dict[str, Item]:
    config = Config.model_construct(
        app="offload",
        ari=AriSettings(url=asterisk.url, username=username, password=SecretStr(password)),
        asterisk=AsteriskSettings(control_socket=Path("/nonexistent")),
        openflow=OpenFlowSettings.model_construct(),
    )
    items = await check_ari(config, Running(problems=()))
    assert len({item.name for item in items}) == len(items)
    return {item.name: item for item in items}


async def typed(asterisk: Asterisk, item: Item) -> None:
    """Type what an item says, beside Asterisk."""
    await docker("exec", asterisk.name, *shlex.split(item.command))


async def test_each_module_that_is_missing_is_a_line_whose_command_loads_it(asterisk: Asterisk) -> None:
    items = await checked(asterisk)
    missing = {name: items[name] for name in LACKING}
    assert {name: item.mark for name, item in missing.items()} == dict.fromkeys(LACKING, "FAILED")
    assert "modules" not in items
    for item in missing.values():
        await typed(asterisk, item)
    items = await checked(asterisk)
    assert not items.keys() & set(LACKING)
    assert (items["modules"].ok, items["modules"].text) == (True, f"all {len(NEEDED)} are loaded")


async def test_without_the_module_that_answers_questions_that_alone_is_said(asterisk: Asterisk) -> None:
    await asterisk.cli("module unload res_ari_asterisk.so")
    ((name, item),) = (await checked(asterisk)).items()
    assert (name, item.ok) == ("res_ari_asterisk", False)
    await typed(asterisk, item)
    assert (await checked(asterisk))["ari"].mark == "ok"


async def test_without_the_list_of_endpoints_that_is_a_hint_whose_command_loads_it(
    asterisk: Asterisk,
) -> None:
    await asterisk.cli("module unload res_ari_endpoints.so")
    item = (await checked(asterisk))["endpoints"]
    assert item.mark == "hint"
    await typed(asterisk, item)
    assert "looked at" not in (await checked(asterisk))["endpoints"].text


async def test_endpoints_that_are_never_offloaded_are_named_with_what_is_against_it(
    asterisk: Asterisk,
) -> None:
    item = (await checked(asterisk))["endpoints"]
    assert item.mark == "hint"
    assert item.text == (
        "calls of 4 of 5 are never offloaded: impatient (rtp_timeout = 5), kept-alive (rtp_keepalive = 15), secret"
        " (media_encryption = sdes), untouched (direct_media = true); in pjsip.conf it takes direct_media = no, rtp_keepalive"
        " = 0, rtp_timeout = 0 or at least 10, media_encryption = no"
    )
    await typed(asterisk, item)


async def test_a_user_who_may_only_read_is_told_apart_from_one_who_may_write(asterisk: Asterisk) -> None:
    assert (await checked(asterisk))["ari user"].ok
    item = (await checked(asterisk, username="reader"))["ari user"]
    assert not item.ok
    assert item.text == "the user may only read: set read_only = no in ari.conf, section [reader], then"
    await typed(asterisk, item)


async def test_a_wrong_password_is_one_line_that_names_the_section(asterisk: Asterisk) -> None:
    ((name, item),) = (await checked(asterisk, password="wrong")).items()
    assert (name, item.ok) == ("ari", False)
    assert "in ari.conf, section [offload], user and password must be those of [ari]" in item.text
    assert "wrong" not in item.text
    await typed(asterisk, item)
