"""A browser in the lab, beside the application."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import control
from lab.control import LabError, wait_until
from lab.place import PROJECT

_IMAGE = "stasis-offload-lab/browser"
_NAME = f"{PROJECT}-browser"
_DRIVER = (Path(__file__).parent / "driver.py").read_text(encoding="utf-8")
_PYTHON = "/opt/stasis-offload/bin/python3"
# Where screenshots go, if anywhere: docs/images, for the pages that show them.
_SCREENSHOTS = os.environ.get("SCREENSHOTS")


SCREENSHOT: tuple[str, dict[str, Any]] = ("Page.captureScreenshot", {"format": "png"})


def evaluating(expression: str) -> tuple[str, dict[str, Any]]:
    """Return the command that evaluates JavaScript."""
    return "Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True}


def value_of(result: dict[str, Any]) -> Any:
    """Return the value, in JSON, of what was evaluated."""
    if "exceptionDetails" in result:
        raise LabError(str(result["exceptionDetails"]))
    return result["result"].get("value")


def keep(name: str, screenshot: dict[str, str]) -> None:
    """Write a screenshot to where they are asked for, if they are."""
    if _SCREENSHOTS:
        (Path(_SCREENSHOTS) / f"{name}.png").write_bytes(base64.b64decode(screenshot["data"]))


class Browser:
    """The one page of the browser."""

    def send(self, method: str, **parameters: Any) -> Any:
        """Send one command of the DevTools protocol and return its result."""
        [result] = self.send_all((method, parameters))
        return result

    def send_all(self, *commands: tuple[str, dict[str, Any]]) -> list[Any]:
        """Send commands over one connection, with which what they emulate ends, and return their results."""
        command = ["docker", "exec", "-i", control.container("offload"), _PYTHON, "-c", _DRIVER]
        done = subprocess.run(
            command, input=json.dumps(commands), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise LabError(f"{[method for method, _ in commands]}: {done.stderr.strip()}")
        results: list[Any] = json.loads(done.stdout)
        return results

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript is, in JSON."""
        [result] = self.send_all(evaluating(expression))
        return value_of(result)

    def press(self, key: str, code: int) -> None:
        """Press and release a key."""
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text
            )

    def write(self, text: str) -> None:
        """Write into the field that has the focus, in place of what is in it."""
        self.value("document.activeElement.select()")
        self.send("Input.insertText", text=text)

    def screenshot(self, name: str) -> None:
        """Keep what the page looks like, if that is asked for."""
        [image] = self.send_all(SCREENSHOT)
        keep(name, image)


@pytest.fixture(scope="session")
def running_browser() -> Iterator[Browser]:
    control.docker("rm", "--force", _NAME, check=False)
    network = f"--network=container:{control.container('offload')}"
    control.docker("run", "--detach", "--name", _NAME, "--label=stasis-offload.lab=true", network, _IMAGE)
    browser = Browser()
    try:
        wait_until(lambda: _answers(browser), within=30, what="the browser to listen")
        yield browser
    finally:
        control.docker("rm", "--force", _NAME)


@pytest.fixture
def browser(running_browser: Browser) -> Iterator[Browser]:
    """The browser with the application's page, and no call in the lab before and after."""
    control.hang_up_all()
    control.lift_blocks()
    running_browser.send("Page.navigate", url="http://127.0.0.1:8086/")
    wait_until(
        lambda: (
            "version" in (running_browser.value("document.getElementById('connection')?.textContent") or "")
        ),
        within=15,
        what="the page to have the first event",
    )
    yield running_browser
    control.hang_up_all()
    control.lift_blocks()


def _answers(browser: Browser) -> bool:
    try:
        return bool(browser.value("1 + 1") == 2)
    except LabError:
        return False
