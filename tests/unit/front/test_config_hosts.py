"""Hosts of the configuration: what can be no name and no address is refused wherever a host is expected."""

from pathlib import Path

import pytest

from tests.unit.front.test_config import GOOD, refusal

HOST = "an address, or a name with 1 to 63 letters, digits, - and _ between its dots"
IMPOSSIBLE = ("pbx..example.net", ".pbx.net", "p" * 64, "pbx example")


@pytest.mark.parametrize("host", IMPOSSIBLE)
@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        (GOOD.replace("127.0.0.1", "HOST"), "ari.url", "an address such as http://127.0.0.1:8088"),
        (f'{GOOD}[http]\nhost = "HOST"', "http.host", f"where to listen: {HOST}"),
        (f'{GOOD}[hep]\ncapture_address = "HOST:9060"', "hep.capture_address", f"HOST is {HOST}"),
        *(
            (GOOD.replace("unix:/run/openvswitch/breth0.mgmt", way), "openflow.connection", f"HOST is {HOST}")
            for way in ("tcp:HOST:6653", "ptcp:6653:HOST", "ssl:HOST:6653", "pssl:6653:HOST")
        ),
    ],
)
def test_what_can_be_no_host_is_refused(
    tmp_path: Path, host: str, text: str, key: str, expected: str
) -> None:
    [line] = refusal(tmp_path, text.replace("HOST", host))
    assert line.startswith(f"{key}: ")
    assert expected in line


@pytest.mark.parametrize("host", ["", "[::1]", "127.0.0.1:8086"])
def test_what_is_more_or_less_than_a_host_is_nowhere_to_listen(tmp_path: Path, host: str) -> None:
    [line] = refusal(tmp_path, f'{GOOD}[http]\nhost = "{host}"')
    assert line == f"http.host: given {host!r}, expected where to listen: {HOST}"
