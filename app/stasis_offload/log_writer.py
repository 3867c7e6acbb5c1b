"""Writes the log in a thread of its own: whoever reads it may stall, and calls must not.

logging.handlers.QueueListener would wait at the end for a reader that has stalled, for ever.
"""

import json
import logging
import queue
import signal
import threading
import time
from contextlib import suppress
from typing import TextIO

# Lines that wait to be written; what comes on top is lost, and counted.
_MAX_WAITING = 10_000
# Seconds in which the end of the process waits for the last lines.
_FLUSH_WITHIN = 2.0


class LogWriter(logging.Handler):
    """A handler that never blocks; `before_lost` is what begins its own lines."""

    def __init__(self, stream: TextIO, *, most: int = _MAX_WAITING, before_lost: str = "") -> None:
        super().__init__()
        self._before_lost = before_lost
        self._stream = stream
        self._lines: queue.Queue[str] = queue.Queue(most)
        self._lost = 0
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a line to the thread."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as logging.StreamHandler does
            self.handleError(record)
            return
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def flush(self) -> None:
        """Wait until every line is written, for a moment at most."""
        deadline = time.monotonic() + _FLUSH_WITHIN
        with self._lines.all_tasks_done:
            while self._lines.unfinished_tasks and (left := deadline - time.monotonic()) > 0:
                self._lines.all_tasks_done.wait(left)

    def _write(self) -> None:
        # For the loop's thread, whose line the watchdog's signal is to show (cli/daemon.py).
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGABRT})
        while True:
            line = self._lines.get()
            lost, self._lost = self._lost, 0
            if lost:
                line += f"\n{self._before_lost}" + json.dumps(
                    {"event": "log.lost", "level": "warning", "lines": lost}
                )
            with suppress(OSError, ValueError):  # nobody reads it any more
                self._stream.write(line + "\n")
                if self._lines.empty():
                    self._stream.flush()
            self._lines.task_done()
