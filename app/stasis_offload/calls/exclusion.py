"""What excludes a call from the switch: reads what the rules of the policy compare, and sets and lifts the block."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.errors import AriError
from stasis_offload.media import events as media
from stasis_offload.media.exclusion import Rule, endpoint_of, forbidden_by_context, stricter, why_excluded
from stasis_offload.media.reasons import Reason
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.legs import Legs

_PJSIP = "PJSIP/"
_NO = "no"


@dataclass(slots=True)
class RulesInForce:
    """The rules of the policy as they are now; the first that is of a call decides."""

    now: Sequence[Rule] = ()


class Exclusion:
    """What excludes one call now.

    `variable` is OFFLOAD of the caller, the strictest if there was more than one. `post` tells the media machine.
    """

    def __init__(
        self,
        call: str,
        *,
        ari: AriClient,
        legs: Legs,
        rules: RulesInForce,
        post: Callable[[media.Event], object],
    ) -> None:
        self.variable = ""
        self._call = call
        self._ari = ari
        self._legs = legs
        self._rules = rules
        self._post = post
        self._callee: int | None = None
        self._reason: Reason | None = None
        self._variable_of = ""
        self._contexts_of = ""
        self._contexts: tuple[str, ...] = ()
        self._turn = asyncio.Lock()

    async def read_early(self) -> None:
        """Read what `begin` needs while the call is dialled, so that it need not wait; an error is left to that."""
        with suppress(AriError):
            await self._read()

    async def begin(self, callee: int) -> None:
        """Block the call, or lift that, as it is with this callee.

        Raises as `AriClient.get_variable`.
        """
        self._callee = callee
        await self._read()
        self._set(self._why())

    async def follow(self, *, release: bool) -> bool:
        """Block the call if a rule excludes it that did not; return whether it may be released, which `release` does.

        Raises as `AriClient.get_variable`.
        """
        await self._read()
        if self._callee is None:
            return False  # it is not answered: `begin` comes later
        reason = self._why()
        if reason is None and not release:
            return self._reason is not None
        self._set(reason)
        return False

    def join(self, other: "Exclusion") -> None:
        """Take over what another call's caller brings, if it is the stricter: the two become this one."""
        other.keep_forbidden()
        self.variable = stricter(self.variable, other.variable)

    def keep_forbidden(self) -> None:
        """Have OFFLOAD say no, before the caller is another, if a rule forbids the call for the caller's context."""
        if forbidden_by_context(self._names(), self._contexts, self._rules.now):
            self.variable = _NO

    async def _read(self) -> None:
        """Read OFFLOAD of the channel that is the caller, and its contexts if a rule names one, unless that was done."""
        channel = self._legs.channel(CALLER)
        async with self._turn:
            if channel != self._variable_of:
                own = await self._ari.get_variable(channel, "OFFLOAD")
                self.variable, self._variable_of = stricter(self.variable, own or ""), channel
            if channel != self._contexts_of and any(rule.context is not None for rule in self._rules.now):
                self.keep_forbidden()
                self._contexts, self._contexts_of = await self._contexts_now(channel), channel

    async def _contexts_now(self, channel: str) -> tuple[str, ...]:
        """Return the context by which the caller's endpoint came in, and the one that it is in: of a subroutine, for one."""
        asked = ["CONTEXT"]
        name = self._legs.name(CALLER) or ""
        if name.startswith(_PJSIP):
            asked.insert(0, f"PJSIP_ENDPOINT({endpoint_of(name).removeprefix(_PJSIP)},context)")
        answers = [await self._ari.get_variable(channel, each) for each in asked]
        return tuple(answer for answer in answers if answer)

    def _names(self) -> list[str]:
        legs = [CALLER, *([] if self._callee is None else [self._callee])]
        return [name for leg in legs if (name := self._legs.name(leg))]

    def _why(self) -> Reason | None:
        return why_excluded(
            self._call,
            channels=self._names(),
            contexts=self._contexts,
            variable=self.variable,
            rules=self._rules.now,
        )

    def _set(self, reason: Reason | None) -> None:
        """Set the new block before the old one is lifted, so that nothing is tried in between."""
        before, self._reason = self._reason, reason
        if reason and (before != reason or before.detail != reason.detail):
            self._post(media.Blocked(reason.kind, reason.detail))
        if before and before != reason:
            self._post(media.Unblocked(before.kind))
