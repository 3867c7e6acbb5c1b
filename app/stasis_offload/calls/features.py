"""DTMF features of one call: who follows the digits of its parties, and what becomes of them."""

import asyncio
from collections.abc import Callable, Mapping

from structlog.typing import FilteringBoundLogger

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.errors import AriError
from stasis_offload.media import events as media
from stasis_offload.media.digits import Digits
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import Placement
from stasis_offload.signalling import events as sig
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.features import NO_CODES, Codes, Collected, Feature, parse_codes
from stasis_offload.signalling.state import Dialing, Phase

# Seconds that a call stays with Asterisk before that follows the digits: one that is learned again at once need not change how
# it is bridged.
_FOLLOW_AFTER = 0.2
# Seconds within which Asterisk has rebuilt the bridge because of that.
_REBUILT_WITHIN = 0.3
# Seconds from the first of the three packets that end a digit to the last (RFC 4733 2.5.1.4), 60 ms of audio in place of each:
# Asterisk would take one that it receives alone for a digit.
_DIGIT_ENDS = 0.15


class CallFeatures:
    """The features of one call, from `begin` to `stop`.

    `channel` returns the id of a leg's channel, `post` and `post_media` post events to the call's machines. `featured` are
    the legs that may ask for something.
    """

    def __init__(
        self,
        dialing: Dialing,
        *,
        ari: AriClient,
        channel: Callable[[Leg], str],
        post: Callable[[sig.Event], None],
        post_media: Callable[[media.Event], asyncio.Event],
        log: FilteringBoundLogger,
    ) -> None:
        self._allowed: Mapping[Leg, frozenset[Feature]] = {
            Leg.CALLER: dialing.request.options.features.caller,
            Leg.CALLEE: dialing.request.options.features.callee,
        }
        self._ari = ari
        self._channel = channel
        self._post = post
        self._post_media = post_media
        self._log = log
        # Noted on the channels by us, or by an earlier process.
        self._notes = dialing.phase is Phase.NEW
        self._channels: dict[Leg, str] = {}
        self._codes: dict[Leg, Codes] = {}
        self._collected: dict[Leg, Collected] = {}
        self._digits = Digits()
        self._placement: Placement | None = None
        self.featured: frozenset[Leg] = frozenset()
        # By Asterisk. An earlier process may have told it so, of which nothing is known (None).
        self._followed: bool | None = False if dialing.phase is Phase.NEW else None
        self._changed_at = float("-inf")
        self._asked: list[tuple[Leg, Feature]] = []
        self._work = asyncio.Event()

    async def prepare(self) -> None:
        """Read the code of a caller who may end the call before it is answered, and can do nothing else until then."""
        if Feature.DISCONNECT in self._allowed[Leg.CALLER]:
            codes = await self._read(Leg.CALLER, Feature.DISCONNECT)
            self._codes.setdefault(Leg.CALLER, codes)

    async def begin(self) -> None:
        """Begin with the two channels that are legs now: one that has replaced another has what its own call has given it."""
        for leg in Leg:
            channel, was = self._channel(leg), self._channels.get(leg)
            if channel != was and (was or self._allowed[leg]):
                await self._begin_with(leg, channel, replaces=was is not None)
            self._channels[leg] = channel
        self.featured = frozenset(leg for leg, codes in self._codes.items() if codes.by_digits)

    async def _begin_with(self, leg: Leg, channel: str, *, replaces: bool) -> None:
        if replaces:
            self._followed = None  # it was in another bridge before
        elif self._notes:
            name = f"OFFLOAD_FEATURES({'&'.join(sorted(self._allowed[leg]))})"
            await self._ari.set_variable(channel, name=name, value="allowed")
        self._codes[leg] = await self._read(leg)
        self._collected[leg] = Collected()

    async def _read(self, leg: Leg, name: str = "") -> Codes:
        text = await self._ari.get_variable(self._channel(leg), f"OFFLOAD_FEATURES({name})")
        if text is None and self._allowed[leg]:
            self._log.error("features.unknown", leg=leg, missing="func_offload_features")
        return parse_codes(text) if text else NO_CODES

    def note_media(self, placement: Placement) -> None:
        """Note what carries the media now: it decides who follows the digits."""
        self._placement = placement
        if placement.featured and not self._is_leaving and placement.leaves_digits is not self._followed:
            self._work.set()

    def explains_rebuilding(self) -> bool:
        """Return whether Asterisk rebuilt the bridge because it was told to follow the digits."""
        return self._is_left and _now() - self._changed_at < _REBUILT_WITHIN

    def on_mirrored(self, placement: Placement, event: media.Event) -> None:
        """Follow a digit that a mirrored packet ends."""
        self._digits, digit = self._digits.after(placement, event)
        if digit and isinstance(event, media.PacketObserved | media.SmallPacketObserved):
            self.on_digit(event.leg, digit)

    def on_digit(self, leg: Leg, digit: str) -> None:
        """Follow a digit of a party for which Asterisk does not look."""
        codes = self._codes.get(leg, NO_CODES)
        self._collected[leg], feature = self._collected.get(leg, Collected()).with_digit(digit, _now(), codes)
        if feature is Feature.DISCONNECT:
            self._log.debug("call.feature", leg=leg, feature=feature)
            self._post(sig.DisconnectAsked())
        elif feature:
            self._asked.append((leg, feature))
            self._work.set()

    def on_state(self, leg: int | None, name: str) -> None:
        """Handle that Asterisk begins with a feature for a leg, or has ended (empty): for one that may have been replaced by it.

        A disconnection is ours to carry out.
        """
        if name == Feature.DISCONNECT:
            self._post(sig.DisconnectAsked())
            return
        self._post(sig.HandOver(begun=name == Feature.ATTENDED_TRANSFER))
        if name:
            # Asterisk and the application may both have noted the same code.
            its = Leg.CALLER if leg == CALLER else Leg.CALLEE
            self._asked = [asked for asked in self._asked if asked[0] is not its]
            if name == Feature.PARK and leg is not None:
                self._post(sig.ParkAsked(leg))
            self._log.debug("call.feature_runs", feature=name)
            self._post_media(media.Blocked(ReasonKind.DTMF_FEATURE))
        else:
            self._post_media(media.Unblocked(ReasonKind.DTMF_FEATURE))

    def on_unheld(self) -> None:
        """Tell Asterisk again who follows: while a party was held it did not change how it bridges, and now begins anew.

        If a feature held it, once that is over.
        """
        self._followed, self._changed_at = None, float("-inf")
        if self._placement and ReasonKind.DTMF_FEATURE not in self._placement.blocks:
            self._work.set()

    def resume(self) -> None:
        """Forget what feature runs, whose end may have been told to nobody, and tell Asterisk again what it did not hear."""
        self._work.set()
        if self._placement and ReasonKind.DTMF_FEATURE in self._placement.blocks:
            self._post_media(media.Unblocked(ReasonKind.DTMF_FEATURE))

    @property
    def _is_leaving(self) -> bool:
        """Whether a leg is leaving, or another takes its place: what Asterisk follows of the other one remains."""
        return self._placement is None or ReasonKind.ENDED in self._placement.blocks or self._placement.over

    @property
    def _is_left(self) -> bool:
        """Whether the digits are left to Asterisk."""
        return self._placement is not None and self._placement.leaves_digits

    async def run(self) -> None:
        """Tell Asterisk who follows the digits, and what was asked for, until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                while self._asked:
                    await asyncio.sleep(_DIGIT_ENDS)
                    await self._run_next()
                await self._follow()
            except AriError as error:
                self._log.warning("features.failed", error=str(error))

    def stop(self) -> None:
        """Let go of the call, whose this is; what Asterisk says of a channel may still come."""
        self._post, self._post_media = lambda _: None, lambda _: asyncio.Event()
        self._allowed = {leg: frozenset() for leg in Leg}
        del self._channel

    async def _follow(self) -> None:
        """Have Asterisk follow the digits, or not, as the media asks for now."""
        if self._is_left and self._placement and not self._placement.blocks:
            await asyncio.sleep(_FOLLOW_AFTER)
        wanted = self._is_left
        if wanted is self._followed or self._is_leaving:
            return
        self._followed = None
        value = "asterisk" if wanted else "application"
        for leg in self.featured:
            self._changed_at = _now()
            await self._ari.set_variable(self._channel(leg), name="OFFLOAD_FEATURES()", value=value)
        self._followed = wanted
        self._collected.clear()

    async def _run_next(self) -> None:
        """Return the media to Asterisk, and have it run what was asked for first, unless it has begun meanwhile."""
        if not self._asked:
            return
        leg, feature = self._asked.pop(0)
        self._log.debug("call.feature", leg=leg, feature=feature)
        await self._post_media(media.Blocked(ReasonKind.DTMF_FEATURE)).wait()
        try:
            await self._ari.set_variable(self._channel(leg), name="OFFLOAD_FEATURE()", value=feature)
        except AriError:
            self._post_media(media.Unblocked(ReasonKind.DTMF_FEATURE))
            raise


def _now() -> float:
    return asyncio.get_running_loop().time()
