"""The host's end of lab/rtp_talker.py: streams of RTP that leave the edge, begun and changed while they run."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.control import LabError, container, wait_until

PROGRAM = ["env", "PYTHONPATH=/usr/local/lib", "python3", "-m", "lab.rtp_talker"]


@dataclass
class Talker:
    """A running rtp_talker.py, until the block that `talker()` opened has ended."""

    _process: "subprocess.Popen[bytes]"
    _answers: Path
    _words: int = field(default=0)

    def set(self, name: str, **fields: object) -> None:
        """Begin or change a stream; the fields are those of lab/rtp_talker.py, `from` is written `from_`.

        Raises:
            LabError: with what the program said of it.

        """
        self._say(f"set {name} " + " ".join(f"{key.rstrip('_')}={value}" for key, value in fields.items()))

    def drop(self, name: str) -> None:
        """End a stream."""
        self._say(f"drop {name}")

    def _say(self, word: str) -> None:
        assert self._process.stdin  # noqa: S101 - as `talker` opened it
        os.write(self._process.stdin.fileno(), f"{word}\n".encode())
        self._words += 1

        def answers() -> list[str]:
            lines = self._answers.read_text(encoding="utf-8").splitlines()
            return lines if len(lines) >= self._words else []

        answer = wait_until(answers, within=10, what=f"the talker to take {word!r}", every=0.01)[-1]
        if answer != "ok":
            raise LabError(f"the talker was told {word!r} and said {answer!r}")


@contextmanager
def talker() -> Iterator[Talker]:
    """Run lab/rtp_talker.py at the edge while the block runs; its streams end with it."""
    with TemporaryDirectory() as folder:
        answers = Path(folder, "answers")
        with answers.open("wb") as output:
            command = ["docker", "exec", "-i", container("edge"), *PROGRAM]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output)
            try:
                yield Talker(process, answers)
            finally:
                assert process.stdin  # noqa: S101 - a pipe, as asked for
                process.stdin.close()
                process.wait(timeout=10)
