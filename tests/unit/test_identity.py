"""Which application this is at a bridge: the same after a restart, and no other one's."""

import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from stasis_offload.config import Config
from stasis_offload.config_sections import AriSettings, AsteriskSettings
from stasis_offload.identity import application_number
from stasis_offload.openflow.gate import APPLICATIONS


def config(app: str = "offload", url: str = "http://127.0.0.1:8088", socket_of: str = "/a.ctl") -> Config:
    return Config.model_construct(
        app=app,
        ari=AriSettings(url=url, username="offload", password=SecretStr("s3cret")),
        asterisk=AsteriskSettings(control_socket=Path(socket_of)),
    )


def test_it_depends_on_the_application_the_asterisk_and_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, none = tmp_path / "one", tmp_path / "other", tmp_path / "none"
    one.write_text("5ab5b6a3\n")
    other.write_text("77aa0011\n")
    numbers = [
        application_number(config(), machine_id=one),
        application_number(config(), machine_id=other),
        application_number(config(), machine_id=none),
        application_number(config(app="second"), machine_id=one),
        application_number(config(url="http://127.0.0.1:8089"), machine_id=one),
        application_number(config(socket_of="/b.ctl"), machine_id=one),
        application_number(config(), switch="tor", machine_id=one),
        application_number(config(), switch="host", machine_id=one),
    ]
    monkeypatch.setattr(socket, "gethostname", lambda: "another-host")
    numbers.append(application_number(config(), machine_id=one))
    assert len(set(numbers)) == len(numbers)
    assert all(0 <= number < APPLICATIONS for number in numbers)
    assert application_number(config(), machine_id=one) == numbers[-1]
