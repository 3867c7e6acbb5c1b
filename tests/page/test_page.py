"""The live page in a real browser, with real calls: what it shows is what the application says, and its buttons act."""

from lab import control
from lab.control import wait_until
from tests.page.conftest import SCREENSHOT, Browser, evaluating, keep, value_of
from tests.support.observed import media_moved

TOKEN = "lab-only"
PHONE = 390  # CSS pixels
ENTER = ("Enter", 13)
_BACKGROUND = "getComputedStyle(document.body).backgroundColor"
_DRAINED = "document.getElementById('drained')"
_ROWS = (
    "[...document.querySelectorAll('#calls tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"
)


def rows(browser: Browser) -> list[list[str]]:
    found: list[list[str]] = browser.value(_ROWS)
    return found


def text(browser: Browser, name: str) -> str:
    found: str = browser.value(f"document.getElementById('{name}').textContent")
    return found


def states(browser: Browser) -> list[str]:
    return [row[3] for row in rows(browser)]


def is_open(browser: Browser, name: str) -> bool:
    return bool(browser.value(f"document.getElementById('{name}').open"))


def press(browser: Browser, name: str) -> None:
    """Press a button by the keyboard."""
    browser.value(f"document.getElementById('{name}').focus()")
    browser.press(*ENTER)


def test_the_page_shows_each_call_as_the_application_has_it(browser: Browser) -> None:
    control.originate("555@asterisk2", count=2)
    media_moved(2)
    control.offload("relay", control.calls()[0]["call"])
    wait_until(
        lambda: sorted(states(browser)) == ["offloaded", "relayed"], within=15, what="both calls on the page"
    )
    shown = {row[0]: (row[1], row[2], row[3], row[4]) for row in rows(browser)}
    assert shown == {
        call["call"]: (call["caller"], call["callee"], call["state"], call["reason"] or "-")
        for call in control.calls()
    }
    assert text(browser, "share") == "2 calls: 1 switched, 1 relayed"
    assert "operator" in text(browser, "reasons")
    browser.screenshot("page")


def test_a_call_is_explained_with_its_moves(browser: Browser) -> None:
    control.originate("555@asterisk2")
    media_moved()
    wait_until(lambda: states(browser) == ["offloaded"], within=15, what="the call on the page")
    browser.value("document.querySelector('#calls button').focus()")
    browser.press(*ENTER)
    wait_until(lambda: is_open(browser, "details"), within=10, what="the call to be explained")
    assert text(browser, "details-title") == control.calls()[0]["call"]
    moves: list[list[str]] = browser.value(_ROWS.replace("#calls", "#moves"))
    assert moves[0][1] == "offloaded"
    assert "learning" in [move[1] for move in moves]
    browser.screenshot("page-call")


def test_a_command_needs_the_token_and_a_second_press(browser: Browser) -> None:
    control.originate("555@asterisk2")
    media_moved()
    press(browser, "relay-all")
    wait_until(lambda: is_open(browser, "confirm"), within=10, what="the question")
    assert control.calls()[0]["state"] == "offloaded"
    browser.write("wrong")
    press(browser, "yes")
    wait_until(lambda: "token" in text(browser, "refused"), within=10, what="the refusal")
    assert (control.calls()[0]["state"], control.health()["blocked"]) == ("offloaded", None)
    browser.value("document.getElementById('token').focus()")
    browser.write(TOKEN)
    press(browser, "yes")
    wait_until(lambda: states(browser) == ["relayed"], within=15, what="the page to show the relayed call")
    assert is_open(browser, "confirm") is False
    assert text(browser, "held").startswith("All media is held in Asterisk, for 0:0")
    assert text(browser, "held").endswith(f", by {control.health()['blocked']['by']}.")
    press(browser, "offload-all")
    wait_until(lambda: is_open(browser, "confirm"), within=10, what="the question")
    assert browser.value("document.activeElement.id") == "no"
    press(browser, "yes")
    wait_until(lambda: states(browser) == ["offloaded"], within=15, what="the call to be switched again")


def test_the_page_says_that_the_node_is_drained(browser: Browser) -> None:
    assert browser.value(f"{_DRAINED}.hidden") is True
    control.offload("drain")
    try:
        wait_until(
            lambda: not browser.value(f"{_DRAINED}.hidden"),
            within=10,
            what="the page to say that it is drained",
        )
        assert (
            browser.value(f"{_DRAINED}.innerText") == "The node is drained: its dialplan refuses new calls."
        )
    finally:
        control.offload("drain", "--undo")
    wait_until(lambda: browser.value(f"{_DRAINED}.hidden"), within=10, what="the page to say so no more")


def test_the_page_asks_nobody_else_and_runs_nothing_inline(browser: Browser) -> None:
    asked: list[str] = browser.value(
        "performance.getEntriesByType('resource').map((each) => new URL(each.name).origin)"
    )
    assert set(asked) == {"http://127.0.0.1:8086"}
    browser.value(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.inline = 1'}))"
    )
    assert browser.value("window.inline") is None


def test_the_page_fits_a_phone_and_is_dark_where_that_is_preferred(browser: Browser) -> None:
    control.originate("555@asterisk2")
    media_moved()
    wait_until(lambda: states(browser) == ["offloaded"], within=15, what="the call on the page")
    *_, width, dark, image = browser.send_all(
        (
            "Emulation.setDeviceMetricsOverride",
            {"width": PHONE, "height": 844, "deviceScaleFactor": 1, "mobile": True},
        ),
        ("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}),
        evaluating("document.documentElement.scrollWidth"),
        evaluating(_BACKGROUND),
        SCREENSHOT,
    )
    keep("page-phone", image)
    assert value_of(width) <= PHONE
    assert value_of(dark) != browser.value(_BACKGROUND)
