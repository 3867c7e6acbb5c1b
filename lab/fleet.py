"""The fleet from outside: its nodes, and which of them Kamailio gives new calls to (lab/fleet.yml)."""

import re
from dataclasses import dataclass
from typing import Any

from lab import control
from lab.place import ipv4

# A destination of Kamailio's dispatcher, and the state in which it gets calls: active, and probed.
_DESTINATION = re.compile(r"URI: sip:probe@([0-9.]+):5060\s+FLAGS: (\w\w)")
_ACTIVE = "AP"


@dataclass(frozen=True, slots=True)
class Node:
    """One node: an Asterisk, its switch and its application, by the names of their services.

    `address` is Asterisk's, `scraped` that of the application.
    """

    name: str
    address: str
    scraped: str
    asterisk: str
    switch: str
    application: str

    def calls(self) -> list[dict[str, Any]]:
        """List the calls of its application."""
        return control.calls(self.application)

    def command(self, *args: str) -> str:
        """Run the command line beside its application, and return what it printed."""
        return control.execute(self.application, "stasis-offload", *args)

    def flows(self) -> list[str]:
        """List the flows of calls that are in its switch."""
        return control.flows(self.switch)

    def carries(self, calls: int) -> bool:
        """Return whether it has so many calls, and its switch carries each."""
        return [call["state"] for call in self.calls()] == ["offloaded"] * calls


A = Node("A", ipv4(12), ipv4(13), "asterisk2", "ovs", "offload")
B = Node("B", ipv4(22), ipv4(23), "asterisk2-b", "ovs-b", "offload-b")
NODES = (A, B)


def taking_calls() -> list[Node]:
    """List the nodes that Kamailio gives new calls to."""
    found = dict(_DESTINATION.findall(control.execute("kamailio", "kamcmd", "dispatcher.list")))
    return [node for node in NODES if found[node.address] == _ACTIVE]
