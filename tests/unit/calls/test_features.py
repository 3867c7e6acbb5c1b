"""Who follows the digits of a call's parties, as Asterisk is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from stasis_offload.calls.features import CallFeatures
from stasis_offload.errors import AriUnavailableError
from stasis_offload.media import events as ev
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.signalling import events as sig
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.dial_args import DialRequest
from stasis_offload.signalling.dial_options import DialOptions
from stasis_offload.signalling.features import features_of
from stasis_offload.signalling.state import Dialing
from tests.support.fake_asterisk import FakeAsterisk
from tests.support.placements import IN, after

CONNECTED = after(ev.Connected(frozenset(Leg)))
OFFLOADED = after(*IN, start=CONNECTED)
RELAYED = after(ev.Blocked(ReasonKind.OPERATOR), start=OFFLOADED)
CODES = "blindxfer=#1&disconnect=*0&timeout=1000"
OPTIONS = DialOptions(features=features_of("tTH"))
# Turns of the event loop in which all is done that waits for no time.
TURNS = 20


class Told(FakeAsterisk):
    """Keeps what is written, and has something happen at the next writing."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[str, str, str | None]] = []
        self.at_next: Callable[[], object] = lambda: None

    async def set_variable(self, channel: str, *, name: str, value: str | None) -> None:
        at_next, self.at_next = self.at_next, lambda: None
        at_next()
        await asyncio.sleep(0)
        self.written.append((channel, name, value))

    def follower(self, channel: str) -> str | None:
        """Return who was told last to follow a channel's digits."""
        return [value for of, name, value in self.written if (of, name) == (channel, "OFFLOAD_FEATURES()")][
            -1
        ]


class Features(CallFeatures):
    """Those of one call, with what they post."""

    def __init__(self, ari: Told) -> None:
        self.posted: list[sig.Event | ev.Event] = []
        self.channels = {Leg.CALLER: "bob", Leg.CALLEE: "alice"}
        super().__init__(
            Dialing(DialRequest(("PJSIP/a",), options=OPTIONS)),
            ari=ari,
            channel=lambda leg: self.channels[leg],
            post=self.posted.append,
            post_media=self._post_event,
            log=structlog.get_logger(),
        )

    def _post_event(self, event: ev.Event) -> asyncio.Event:
        self.posted.append(event)
        handled = asyncio.Event()
        handled.set()
        return handled


@asynccontextmanager
async def followed() -> AsyncIterator[tuple[Told, Features]]:
    """Begin to follow the digits of a call whose parties have codes."""
    asterisk = Told()
    asterisk.variables = {(channel, "OFFLOAD_FEATURES()"): CODES for channel in ("bob", "alice")}
    asterisk.variables["bob", "OFFLOAD_FEATURES(disconnect)"] = "disconnect=*0&timeout=1000"
    features = Features(asterisk)
    running = asyncio.create_task(features.run())
    yield asterisk, features
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def test_the_channels_are_allowed_once_what_the_options_say() -> None:
    async with followed() as (asterisk, features):
        await features.begin()
        await features.begin()
        assert asterisk.written == [
            ("bob", "OFFLOAD_FEATURES(atxfer&blindxfer&disconnect)", "allowed"),
            ("alice", "OFFLOAD_FEATURES(atxfer&blindxfer)", "allowed"),
        ]
        assert features.featured == frozenset(Leg)


async def test_a_channel_that_has_replaced_another_has_what_its_own_call_gave_it() -> None:
    async with followed() as (asterisk, features):
        await features.begin()
        features.channels[Leg.CALLEE] = "carol"
        await features.begin()
        assert features.featured == {Leg.CALLER}
        asterisk.variables["dora", "OFFLOAD_FEATURES()"] = CODES
        features.channels[Leg.CALLEE] = "dora"
        await features.begin()
        assert features.featured == frozenset(Leg)
        assert {channel for channel, _, _ in asterisk.written} == {"bob", "alice"}


async def test_a_change_while_asterisk_is_told_is_told_as_well() -> None:
    async with followed() as (asterisk, features):
        await features.begin()
        asterisk.at_next = lambda: features.note_media(OFFLOADED)
        features.note_media(RELAYED)
        await turns()
        assert [asterisk.follower(channel) for channel in ("bob", "alice")] == ["application"] * 2


async def test_what_asterisk_did_not_hear_is_told_once_it_is_back() -> None:
    def unreachable() -> None:
        raise AriUnavailableError("no answer")

    async with followed() as (asterisk, features):
        await features.begin()
        asterisk.at_next = unreachable
        features.note_media(RELAYED)
        await turns()
        features.resume()
        await turns()
        assert [asterisk.follower(channel) for channel in ("bob", "alice")] == ["asterisk"] * 2


async def test_after_a_hold_asterisk_is_told_again() -> None:
    async with followed() as (asterisk, features):
        await features.begin()
        features.note_media(RELAYED)
        await turns()
        told = asterisk.written[-2:]
        features.on_unheld()
        await turns()
        assert asterisk.written[-4:] == told * 2


async def test_asterisk_is_told_nothing_of_a_call_that_a_leg_leaves() -> None:
    async with followed() as (asterisk, features):
        await features.begin()
        features.note_media(RELAYED)
        await turns()
        written = list(asterisk.written)
        features.note_media(after(ev.Blocked(ReasonKind.ENDED), start=RELAYED))
        await turns()
        assert asterisk.written == written


async def test_a_code_that_asterisk_has_followed_as_well_is_run_once() -> None:
    async with followed() as (asterisk, features):
        await features.begin()
        for digit in "#1":
            features.on_digit(Leg.CALLER, digit)
        features.on_state(CALLER, "blindxfer")
        features.note_media(RELAYED)
        while asterisk.written[-1][2] != "asterisk":  # noqa: ASYNC110 - what comes last has no event
            await asyncio.sleep(0)
        assert "OFFLOAD_FEATURE()" not in [name for _, name, _ in asterisk.written]


async def test_while_it_rings_a_caller_may_ask_for_the_end_alone() -> None:
    async with followed() as (asterisk, features):
        await features.prepare()
        for digit in "#1*0":
            features.on_digit(Leg.CALLER, digit)
        assert features.posted == [sig.DisconnectAsked()]
        assert asterisk.written == []
        await features.begin()
        await features.prepare()
        for digit in "#1":
            features.on_digit(Leg.CALLER, digit)
        while not features.posted[1:]:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        assert features.posted[1:] == [ev.Blocked(ReasonKind.DTMF_FEATURE)]


async def test_of_a_call_that_ended_before_it_was_dialled_no_code_is_read() -> None:
    async with followed() as (_, features):
        features.stop()
        await features.prepare()
        features.on_digit(Leg.CALLER, "*")
        features.on_digit(Leg.CALLER, "0")
    assert features.posted == []


async def test_what_asterisk_says_of_a_call_that_is_over_is_nothing() -> None:
    async with followed() as (_, features):
        features.stop()
        for name in ("parkcall", "", "disconnect"):
            features.on_state(CALLER, name)
        assert features.posted == []


async def test_the_call_is_told_that_asterisk_takes_it_over_for_an_attended_transfer_and_if_it_does_not() -> (
    None
):
    async with followed() as (_, features):
        for name, begun in (("atxfer", True), ("", False), ("blindxfer", False)):
            features.on_state(1, name)
            handed = [event for event in features.posted if isinstance(event, sig.HandOver)]
            assert handed[-1] == sig.HandOver(begun=begun)
