"""What is known of Asterisk's processor time, by the process that listens at its socket."""

import socket
from pathlib import Path
from time import process_time

from stasis_offload.asterisk.process_time import ProcessTime


def test_the_share_is_that_of_the_process_that_listens(tmp_path: Path) -> None:
    path = tmp_path / "asterisk.ctl"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(8)
        asterisk = ProcessTime(path)
        assert asterisk.share() is None  # there is nothing to compare with yet
        until = process_time() + 0.1
        while process_time() < until:
            pass
        share = asterisk.share()
    assert share is not None
    assert 0 < share < 64


def test_nothing_is_known_without_a_socket(tmp_path: Path) -> None:
    asterisk = ProcessTime(tmp_path / "none")
    assert (asterisk.share(), asterisk.share()) == (None, None)
