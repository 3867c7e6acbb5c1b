"""Sends commands of the DevTools protocol to the page that the browser shows, and prints their results.

It runs beside the application, whose loopback the browser shares: a JSON list of [method, parameters] comes on standard
input, a JSON list of results goes to standard output.
"""

import asyncio
import json
import sys
from typing import Any

import aiohttp

_BROWSER = "http://127.0.0.1:9222/json"
_WITHIN = 20.0


async def main(commands: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """Send each command and wait for its result."""
    async with asyncio.timeout(_WITHIN), aiohttp.ClientSession() as session:
        async with session.get(_BROWSER) as response:
            targets = await response.json(content_type=None)
        [page] = [target for target in targets if target["type"] == "page"]
        async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as devtools:
            results = []
            for number, (method, parameters) in enumerate(commands):
                await devtools.send_json({"id": number, "method": method, "params": parameters})
                while (message := await devtools.receive_json()).get("id") != number:
                    pass  # an event
                if "error" in message:
                    sys.exit(f"{method}: {message['error']['message']}")
                results.append(message["result"])
    return results


print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))  # noqa: T201 - its output
