"""The section [hep]: the keys of Asterisk's hep.conf."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stasis_offload.calls.hep_sender import Collector
from stasis_offload.config import load
from stasis_offload.packets.hep import Agent
from stasis_offload.reloading import Reloader, collector_of
from tests.unit.front.test_config import GOOD, refusal, written


def collector(directory: Path, keys: str) -> Collector | None:
    return collector_of(load(written(directory, f"{GOOD}[hep]\n{keys}")).hep)


def test_without_an_address_there_is_no_collector(tmp_path: Path) -> None:
    assert collector(tmp_path, "") is None
    assert collector(tmp_path, 'capture_address = ""\ncapture_id = 7\nrtcp = true') is None


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("homer.example.net:9060", "homer.example.net", 9060),
        ("homer_1.example.net.:9060", "homer_1.example.net.", 9060),
        ("homer.münchen.example:9060", "homer.münchen.example", 9060),
        ("198.18.50.20:9", "198.18.50.20", 9),
        ("[2001:db8::9]:9060", "2001:db8::9", 9060),
    ],
)
def test_a_collector_is_a_host_and_a_port(tmp_path: Path, address: str, host: str, port: int) -> None:
    assert collector(tmp_path, f'capture_address = "{address}"') == Collector(host, port, Agent())


@pytest.mark.parametrize(
    "address",
    [
        *(
            '"homer"',
            '"homer:"',
            '":9060"',
            '"homer:99999"',
            '"udp:homer:9060"',
            '"a@homer:9060"',
            "9060",
            "[]",
        ),
        *('"homer..example.net:9060"', '".homer.net:9060"', f'"{"h" * 64}.net:9060"', '"ho mer:9060"'),
    ],
)
def test_what_is_no_host_and_port_is_refused(tmp_path: Path, address: str) -> None:
    [line] = refusal(tmp_path, f"{GOOD}[hep]\ncapture_address = {address}")
    assert line.startswith("hep.capture_address: given ")
    assert line.endswith(
        ', expected HOST:PORT of a collector that takes HEP3 by UDP, or "" for none;'
        " HOST is an address, or a name with 1 to 63 letters, digits, - and _ between its dots"
    )


def test_every_key_reaches_the_collector_and_the_password_is_in_one_place(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("pa55word\n")
    keys = f"""
capture_address = "homer:9060"
capture_id = 2001
capture_name = "pbx-1"
capture_password_file = "{secret}"
uuid_type = "channel"
rtcp = true
"""
    agent = Agent(capture_id=2001, name="pbx-1", password="pa55word", by_channel=True)
    assert collector(tmp_path, keys) == Collector("homer", 9060, agent, rtcp=True)
    lines = refusal(tmp_path, f'{GOOD}[hep]{keys}capture_password = "pa55w0rd"')
    assert len(lines) == 1
    assert lines[0].startswith("hep.capture_password")
    assert "pa55w0rd" not in lines[0]


async def test_a_reload_gives_another_collector(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD)
    given: list[Collector | None] = []
    reloader = Reloader(
        load(file),
        load=lambda: load(file),
        apply=lambda config: given.append(collector_of(config.hep)),
        problems={},
    )
    file.write_text(f'{GOOD}[hep]\ncapture_address = "homer:9060"')
    with capture_logs() as logged:
        await reloader.reload()
    assert given == [Collector("homer", 9060, Agent())]
    [line] = logged
    assert (line["event"], line["changed"]) == ("config.reloaded", ["hep.capture_address"])
