"""What is logged: its form, its levels, and that no secret is in it whoever logs it, however it is written."""

import base64
import io
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from aiohttp import ClientError, ClientResponseError, RequestInfo, web
from aioswagger11.http_client import ApiKeyAuthenticator, AsynchronousHttpClient
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from stasis_offload.log import REDACTED, Redactor, configure, is_journal, set_level
from stasis_offload.log_writer import LogWriter

SECRET = "s3cret pass/w\"örd's+1"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    logging.getLogger("stasis_offload").setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def logged(stream: io.StringIO) -> str:
    """Return what was logged; another thread writes it."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    return stream.getvalue()


def configured(*, level: str = "info", stream: io.StringIO | None = None) -> io.StringIO:
    stream = stream or io.StringIO()
    configure(level=level, secrets=[SECRET], stream=stream)
    return stream


def test_a_line_is_json_with_time_level_name_event_and_fields() -> None:
    stream = configured()
    with structlog.contextvars.bound_contextvars(call="1700000000.1"):
        structlog.get_logger("stasis_offload.service").info("flows.installed", ms=3)
    line = json.loads(logged(stream))
    at = datetime.fromisoformat(line.pop("timestamp"))
    assert timedelta() <= datetime.now(UTC) - at < timedelta(minutes=1)
    assert line == {
        "event": "flows.installed",
        "level": "info",
        "logger": "stasis_offload.service",
        "call": "1700000000.1",
        "ms": 3,
    }


def test_a_line_on_a_terminal_is_for_people() -> None:
    stream = configured(stream=Terminal())
    structlog.get_logger("stasis_offload.service").info("flows.installed", ms=3)
    assert "flows.installed" in logged(stream)
    with pytest.raises(json.JSONDecodeError):
        json.loads(logged(stream))


def test_in_the_journal_a_line_begins_with_its_priority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "journal").open("w") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        configure(level="debug", secrets=[SECRET], stream=stream)
        log = structlog.get_logger("stasis_offload.service")
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(log, level)(level)
        logging.getLogger("asyncio").error("of a library")
        for handler in logging.getLogger().handlers:
            handler.flush()
    lines = (tmp_path / "journal").read_text().splitlines()
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<2>", "<3>"]
    assert [json.loads(line[3:])["event"] for line in lines][-1] == "of a library"


@pytest.mark.parametrize("journal", [None, "", "1:2", "nonsense"])
def test_elsewhere_it_does_not(journal: str | None, tmp_path: Path) -> None:
    environment = {} if journal is None else {"JOURNAL_STREAM": journal}
    with (tmp_path / "file").open("w") as stream:
        assert not is_journal(stream, environment)
    assert not is_journal(io.StringIO(), environment)


def test_a_level_is_changed_while_it_runs() -> None:
    stream = configured()
    log = structlog.get_logger("stasis_offload.service")
    log.debug("before")
    assert set_level("debug") == "info"
    log.debug("after")
    assert set_level("warning") == "debug"
    log.info("too low")
    assert [json.loads(line)["event"] for line in logged(stream).splitlines()] == ["after"]


def test_a_secret_that_comes_later_is_hidden_as_well() -> None:
    stream = io.StringIO()
    redactor = configure(level="info", secrets=[SECRET], stream=stream)
    redactor.hide("an0ther/one")
    structlog.get_logger("stasis_offload.service").info("event", first=SECRET, second="an0ther%2Fone")
    line = json.loads(logged(stream))
    assert (line["first"], line["second"]) == (REDACTED, REDACTED)


def test_the_level_is_that_of_our_lines_and_libraries_are_heard_from_warning_up() -> None:
    stream = configured(level="debug")
    structlog.get_logger("stasis_offload.ari").debug("ours")
    for library in ("aioari.client", "aioswagger11.client", "aiohttp.access", "asyncio", "os_ken"):
        logging.getLogger(library).info("chatter")
        logging.getLogger(library).warning("trouble")
    lines = [json.loads(line) for line in logged(stream).splitlines()]
    assert [line["event"] for line in lines] == ["ours", *["trouble"] * 5]
    stream = configured(level="warning")
    structlog.get_logger("stasis_offload.ari").info("ours")
    assert logged(stream) == ""


def test_python_warnings_are_logged() -> None:
    stream = configured()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old", stacklevel=1)
    assert "old" in json.loads(logged(stream))["event"]


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["json", "terminal"])
def test_a_traceback_is_logged_without_the_secret_in_it(stream: io.StringIO) -> None:
    configured(stream=stream)
    try:
        int(f"http://pbx/ari?api_key=offload:{SECRET}")
    except ValueError:
        structlog.get_logger("stasis_offload.ari").exception("ours")
        logging.getLogger("aioari.client").exception("Event listener threw exception")
    text = logged(stream)
    assert text.count("Traceback (most recent call last)") == 2
    assert text.count(f"base 10: 'http://pbx/ari?api_key={REDACTED}'") == 2
    assert "s3cret" not in text


async def test_what_the_ari_library_raises_and_logs_about_a_url_shows_no_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = configured(level="debug")

    async def refuse(request: web.Request) -> web.Response:
        assert request.query["api_key"]  # or this test proves nothing
        return web.Response(status=401)

    app = web.Application()
    app.router.add_get("/ari/events", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        client = AsynchronousHttpClient(auth=ApiKeyAuthenticator("127.0.0.1", "offload:s3cretpassword"))
        try:
            with pytest.raises(ClientError) as caught:
                await client.ws_connect(f"http://127.0.0.1:{port}/ari/events", params={"app": "offload"})
        finally:
            await client.close()
    finally:
        await runner.cleanup()
    error = caught.value
    assert "s3cretpassword" in repr(error)  # or this test proves nothing
    structlog.get_logger("stasis_offload.ari").error("failed", error=error, text=str(error), exc_info=error)
    logging.getLogger("aioari.client").error("failed: %r", error, exc_info=error)
    assert logged(stream).count("401") >= 3
    assert "s3cretpassword" not in logged(stream) + "".join(capsys.readouterr())


text_secret = st.text(st.characters(exclude_categories=["Cs"]), min_size=8)


@given(secret=text_secret, before=st.text(max_size=5), after=st.text(max_size=5))
def test_no_secret_passes_in_any_depth(secret: str, before: str, after: str) -> None:
    class Holder:
        def __repr__(self) -> str:
            return f"<Holder of {secret!r}>"

    value = before + secret + after
    line = Redactor([secret])(
        None,
        "info",
        {"event": value, "a": [value, (value,)], "b": {value: {value}}, "c": Holder(), "d": value.encode()},
    )
    left = [piece for text in texts(line) for piece in text.split(REDACTED)]
    assert not any(secret in piece for piece in left)


def texts(value: object) -> Iterator[str]:
    """Find every text in a line, however deep; anything but a container and a text would be a way out."""
    match value:
        case dict():
            for key, item in value.items():
                yield from texts(key)
                yield from texts(item)
        case list():
            for item in value:
                yield from texts(item)
        case str():
            yield value
        case _:
            raise AssertionError(value)


def test_numbers_and_words_that_are_no_secret_pass_unchanged() -> None:
    line = {"event": "flows.installed", "ms": 3.5, "ok": True, "reason": None, "legs": ["caller"]}
    assert Redactor(["s3cret", ""])(None, "info", dict(line)) == line


def test_a_request_shown_with_its_headers_shows_no_key() -> None:
    key = base64.b64encode(b"offload:s3cret").decode()
    headers = CIMultiDictProxy(CIMultiDict({"Authorization": f"Basic {key}"}))
    request = RequestInfo(URL("http://pbx/ari"), "GET", headers, URL("http://pbx/ari"))
    shown = repr(ClientResponseError(request, ()))
    assert key in shown  # or this test proves nothing
    assert key not in Redactor([]).text(shown)


def test_secrets_percent_encoded_are_found() -> None:
    clean = Redactor([SECRET]).text
    assert clean("x s3cret%20pass%2Fw%22%C3%B6rd%27s%2B1 y") == f"x {REDACTED} y"
    assert clean("x s3cret+pass%2Fw%22%C3%B6rd%27s%2B1 y") == f"x {REDACTED} y"
    assert clean(json.dumps(SECRET)) == f'"{REDACTED}"'
    assert clean(repr(SECRET)) == f"'{REDACTED}'"
    assert clean("?app=a&api_key=u:unknown&x=1") == f"?app=a&api_key={REDACTED}&x=1"


def test_nothing_is_set_up_by_importing() -> None:
    assert "structlog" in sys.modules
    assert not structlog.is_configured()


def test_a_password_that_may_be_a_part_of_any_word_leaves_the_log_readable_and_is_kept_out_of_keys() -> None:
    redact = Redactor(["p"]).text
    assert redact("flows.replaced by port 5060") == "flows.replaced by port 5060"
    assert redact("GET http://pbx/ari?api_key=app:p") == f"GET http://pbx/ari?api_key={REDACTED}"


def test_a_reader_of_the_log_that_stalls_stops_nobody_and_is_told_how_much_it_missed() -> None:
    reading, stalled = threading.Event(), threading.Event()

    class Stalled(io.StringIO):
        def write(self, text: str, /) -> int:
            stalled.set()
            assert reading.wait(10)
            return super().write(text)

    stream = Stalled()
    writer = LogWriter(stream, most=2)
    log = logging.getLogger("any")
    log.addHandler(writer)
    log.warning("first")
    assert stalled.wait(10)
    for number in range(5):
        log.warning("number %d", number)
    reading.set()
    writer.flush()
    written = stream.getvalue().splitlines()
    assert written[0] == "first"
    assert written[1] == "number 0"
    assert json.loads(written[2]) == {"event": "log.lost", "level": "warning", "lines": 3}
    assert written[3:] == ["number 1"]
