"""Configuration of logging. Every line, ours or a library's, passes one redactor that removes secrets."""

import json
import logging
import os
import re
from collections.abc import Iterable, Mapping
from typing import TextIO
from urllib.parse import quote, quote_plus

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from stasis_offload.log_writer import LogWriter

REDACTED = "[secret]"
# Characters of a secret that is found in a text by itself.
SHORTEST = 8

LEVELS = ("debug", "info", "warning", "error")

# Syslog's, which the journal takes from the beginning of a line (sd-daemon(3)).
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}

# The two ways to send ARI a key (res/res_ari.c, authenticate_user()), as they appear in the repr of a request.
# Any key is removed, known or not.
_KEY = re.compile(r"(api_key=|authorization\W+basic\s+)[^&\s'\"]+", re.IGNORECASE)


def configure(*, level: str, secrets: Iterable[str], stream: TextIO) -> "Redactor":
    """Send all logging to `stream`: for people when it is a terminal, else one JSON object a line.

    Returns:
        what removes secrets from it, which may be told of more of them.

    `level` (debug, info, warning or error) applies to our own lines. Libraries log from warning up: below that they
    print requests with their keys. Where the journal reads them, lines have its priorities.

    """
    journal = is_journal(stream, os.environ)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Processor = (
        # Plain: the default formatter may print local variables.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if stream.isatty()
        else structlog.processors.JSONRenderer()
    )
    redactor = Redactor(secrets)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redactor,
            _with_priority(renderer) if journal else renderer,
        ],
    )
    handler = LogWriter(stream, before_lost=priority("warning") if journal else "")
    handler.setFormatter(formatter)
    # Nothing of it is in our lines, and to find it takes a third of the time of a line (Python's "Logging HOWTO", Optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - as that says
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    set_level(level)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return redactor


def set_level(level: str) -> str:
    """Log our own lines from this level up from now on: debug, info, warning or error; return the level until now."""
    ours = logging.getLogger("stasis_offload")
    was = logging.getLevelName(ours.level).lower()
    ours.setLevel(level.upper())
    return was


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether it is the journal that a stream goes to (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # it is no file
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def priority(level: str) -> str:
    """Return what a line of this level begins with in the journal."""
    return f"<{_PRIORITIES.get(level, _PRIORITIES['info'])}>"


def _with_priority(render: Processor) -> Processor:
    def rendered(logger: WrappedLogger, name: str, line: EventDict) -> str:
        return priority(str(line.get("level"))) + str(render(logger, name, line))

    return rendered


class Redactor:
    """Replaces every secret in a line by REDACTED, in any form and at any depth.

    One of less than SHORTEST characters may be a part of any word: it is replaced only where ARI's key is.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = set[str]()
        self._secret: re.Pattern[str] | None = None
        for secret in secrets:
            self.hide(secret)

    def hide(self, secret: str) -> None:
        """Replace one more secret from now on."""
        if len(secret) >= SHORTEST:
            self._forms |= _forms(secret)
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._secret = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(self, logger: WrappedLogger, name: str, line: EventDict) -> EventDict:
        """Redact one line; values other than containers and numbers become text first (structlog processor)."""
        del logger, name
        return {key: self._clean(value) for key, value in line.items()}

    def _clean(self, value: object) -> object:
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(str(key)): self._clean(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._clean(item) for item in value]
            case _:
                return self.text(repr(value))

    def text(self, text: str) -> str:
        """Redact a text."""
        known = self._secret.sub(REDACTED, text) if self._secret else text
        return _KEY.sub(rf"\g<1>{REDACTED}", known)


def _forms(secret: str) -> set[str]:
    """Return the forms of a secret: plain, in a URL (two conventions), in Python literals and in JSON."""
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
        repr(secret.encode())[2:-1],
        json.dumps(secret)[1:-1],
    }
