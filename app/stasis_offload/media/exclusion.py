"""Which calls are excluded from the switch: by the caller's variable OFFLOAD, and by the rules of the policy."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.roles import OWNERS, owner_of

# Percent of the calls.
NEVER, ALWAYS = 0.0, 100.0
_WORDS = {"never": NEVER, "always": ALWAYS}
# What Asterisk itself reads as no and as yes (main/utils.c, ast_false and ast_true).
_ASTERISK_WORDS = {
    **dict.fromkeys(("no", "false", "n", "f", "0", "off"), NEVER),
    **dict.fromkeys(("yes", "true", "y", "t", "1", "on"), ALWAYS),
}
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?) ?%", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the policy, the one of this `number`: `share` percent of the calls it is of may be offloaded.

    It is of the calls that have an endpoint and a context of these patterns; without either, of all.
    """

    number: int
    share: float
    endpoint: str | None = None
    context: str | None = None

    @property
    def forbids(self) -> bool:
        """Whether no variable lifts it: it says never, of some calls. One of all calls is a default."""
        return self.share == NEVER and (self.endpoint or self.context) is not None

    def matched(self, endpoints: Sequence[str], contexts: Sequence[str]) -> str | None:
        """Return by what the rule is of a call, in words; None if it is not."""
        found = []
        for kind, pattern, values in (
            ("endpoint", self.endpoint, endpoints),
            ("context", self.context, contexts),
        ):
            if pattern is None:
                continue
            # In any case: a technology may be written as in a dial string, where it makes no difference.
            fitting = [value for value in values if fnmatchcase(value.lower(), pattern.lower())]
            if not fitting:
                return None
            found.append(f"{kind} {fitting[0]}")
        return ", ".join(found) or "the default"


# What holds where no rule is of a call.
_ALL = Rule(number=0, share=ALWAYS)


def parse_share(text: str) -> float | None:
    """Return the percent of calls that `never`, `always` or a share such as `10%` means; None if it is none of them."""
    word = text.strip().lower()
    percent = _PERCENT.fullmatch(word)
    share = float(percent[1]) if percent else _WORDS.get(word)
    return None if share is None or share > ALWAYS else share


def stricter(one: str, other: str) -> str:
    """Return that of two values of OFFLOAD by which fewer calls may be offloaded; an empty one is none."""
    return min(filter(None, (one, other)), key=lambda value: _share_of(value) or NEVER, default="")


def why_excluded(
    call: str, *, channels: Sequence[str], contexts: Sequence[str], variable: str, rules: Sequence[Rule]
) -> Reason | None:
    """Return what excludes a call with channels of these names, a caller of these contexts and its OFFLOAD; None if nothing does.

    The first rule that is of the call decides, and OFFLOAD instead of it, unless that rule forbids what OFFLOAD allows.
    Which calls a share includes depends on their ids alone: the same after a restart, and all of them with a larger share.
    """
    if variable:
        share = _share_of(variable)
        if share is None:
            detail = f"OFFLOAD={variable}, where no, yes or a share such as 10% is expected"
            return Reason(ReasonKind.EXCLUDED_VARIABLE, detail=detail)
        if not _includes(share, call):
            at = f", and the call is at {_place(call)}" if share else ""
            return Reason(ReasonKind.EXCLUDED_VARIABLE, detail=f"OFFLOAD={variable}{at}")
    rule, by = _rule_of(channels, contexts, rules)
    if _includes(rule.share, call) or (variable and not rule.forbids):
        return None
    which = f"policy {rule.number} ({by}) is"
    if rule.share == NEVER:
        despite = f", whatever OFFLOAD={variable} says" if variable else ""
        return Reason(ReasonKind.EXCLUDED_POLICY, detail=f"{which} never{despite}")
    return Reason(
        ReasonKind.EXCLUDED_SHARE, detail=f"{which} {rule.share:g}%, and the call is at {_place(call)}"
    )


def forbidden_by_context(channels: Sequence[str], contexts: Sequence[str], rules: Sequence[Rule]) -> bool:
    """Return whether a rule that names a context forbids a call, whatever OFFLOAD says."""
    rule, _ = _rule_of(channels, contexts, rules)
    return rule.forbids and rule.context is not None


def _rule_of(channels: Sequence[str], contexts: Sequence[str], rules: Sequence[Rule]) -> tuple[Rule, str]:
    """Return the rule that decides, and by what it is of the call."""
    endpoints = [endpoint_of(channel) for channel in channels]
    matches = ((rule, rule.matched(endpoints, contexts)) for rule in rules)
    return next(((rule, by) for rule, by in matches if by), (_ALL, ""))


def endpoint_of(channel: str) -> str:
    """Return the endpoint in a channel's name, `PJSIP/trunk-a` of `PJSIP/trunk-a-0000001f` (chan_pjsip.c)."""
    return channel.rpartition("-")[0]


def _share_of(variable: str) -> float | None:
    share = _ASTERISK_WORDS.get(variable.strip().lower())
    return parse_share(variable) if share is None else share


def _includes(share: float, call: str) -> bool:
    return owner_of(call) * 100 < share * OWNERS


def _place(call: str) -> str:
    """Return where a call is among all, by the hash of its id: a share that is larger includes it."""
    return f"{owner_of(call) * 100 / OWNERS:.2f}%"
