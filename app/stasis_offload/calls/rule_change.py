"""Puts other rules of the policy in force, for calls to come and for those that are up."""

import asyncio
from collections.abc import Sequence

import structlog

from stasis_offload.calls.background import Background
from stasis_offload.calls.call import Call
from stasis_offload.calls.exclusion import RulesInForce
from stasis_offload.calls.offload_gate import RELEASE_INTERVAL
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.repeating import RETRY_INTERVAL
from stasis_offload.errors import AriError, AriUnavailableError
from stasis_offload.media.exclusion import Rule


class RuleChange:
    """Changes the rules in force."""

    def __init__(self, rules: RulesInForce, *, registry: Registry, background: Background) -> None:
        self._rules = rules
        self._registry = registry
        self._background = background
        self._log = structlog.get_logger(__name__)

    def change(self, rules: Sequence[Rule]) -> None:
        """Put other rules in force: what they exclude returns at once, what they no longer exclude is released, paced."""
        if rules != self._rules.now:
            self._rules.now = rules
            self._background.start(self._follow(rules))

    async def _follow(self, rules: Sequence[Rule]) -> None:
        released = [call for call in tuple(self._registry) if await self._follows(call, rules)]
        for call in released:
            if self._is_to_follow(call, rules):
                await self._follows(call, rules, release=True)
                await asyncio.sleep(RELEASE_INTERVAL)

    async def _follows(self, call: Call, rules: Sequence[Rule], *, release: bool = False) -> bool:
        """Do as `Exclusion.follow` does, again and again while Asterisk gives no answer; not if others follow, or it ended."""
        while self._is_to_follow(call, rules):
            try:
                return await call.exclusion.follow(release=release)
            except AriUnavailableError:
                await asyncio.sleep(RETRY_INTERVAL)
            except AriError as error:
                self._log.warning("policy.not_followed", call=call.id, error=str(error))
                break
        return False

    def _is_to_follow(self, call: Call, rules: Sequence[Rule]) -> bool:
        return self._rules.now is rules and self._registry.get(call.id) is call
