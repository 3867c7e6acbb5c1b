"""A node is drained as long as Asterisk says so, whoever drained it."""

import asyncio

import pytest

from stasis_offload.calls.node_drain import NodeDrain
from stasis_offload.errors import AriError
from tests.support.fake_asterisk import FakeAsterisk


class _Keeping(FakeAsterisk):
    """Keeps the state of the device of the node; None: it does not know of devices. It answers once `answers` is set."""

    def __init__(self, state: str | None = "UNKNOWN") -> None:
        super().__init__()
        self.state = state
        self.looks = 0
        self.looked_twice = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    async def device_state(self, name: str) -> str:
        assert name == "offload-node"
        state = self.state
        self.looks += 1
        if self.looks > 1:
            self.looked_twice.set()
        await self.answers.wait()
        if state is None:
            raise AriError("404 Resource not found")
        return state

    async def set_device_state(self, name: str, state: str) -> None:
        assert name == "offload-node"
        self.state = state


async def seen(asterisk: _Keeping) -> bool:
    node = NodeDrain(ari=asterisk, every=0)
    looking = asyncio.create_task(node.run())
    await asterisk.looked_twice.wait()
    looking.cancel()
    return node.drained


@pytest.mark.parametrize(
    ("state", "drained"), [("UNAVAILABLE", True), ("UNKNOWN", False), ("NOT_INUSE", False), (None, False)]
)
async def test_a_node_is_drained_if_asterisk_says_so_and_looked_at_again_if_it_says_nothing(
    state: str | None, *, drained: bool
) -> None:
    assert await seen(_Keeping(state)) is drained


async def test_asterisk_is_told_of_a_drain_and_of_its_end() -> None:
    asterisk = _Keeping()
    node = NodeDrain(ari=asterisk)
    await node.set(drained=True)
    assert (asterisk.state, node.drained) == ("UNAVAILABLE", True)
    await node.set(drained=False)
    assert (asterisk.state, node.drained) == ("NOT_INUSE", False)


async def test_an_answer_of_before_a_drain_does_not_undo_it() -> None:
    asterisk = _Keeping()
    asterisk.answers.clear()
    node = NodeDrain(ari=asterisk)
    looking = asyncio.create_task(node.run())
    await asyncio.sleep(0)
    assert asterisk.looks == 1
    draining = asyncio.create_task(node.set(drained=True))
    await asyncio.sleep(0)
    asterisk.answers.set()
    await draining
    looking.cancel()
    assert node.drained
