"""PJSIP endpoints whose calls can never be offloaded, by how they are configured."""

from collections.abc import Callable, Mapping

from stasis_offload.checks.items import Item
from stasis_offload.media.eligibility import MIN_RTP_TIMEOUT

# So many of them are named.
_NAMED = 10
_ON = {"yes", "true"}


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


# Attribute of an endpoint: which values of it keep every call with Asterisk, and the one that does not.
# channels/chan_pjsip.c, chan_pjsip_get_rtp_peer(): direct_media alone gives REMOTE, media_encryption alone FORBID.
_AGAINST: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "direct_media": (lambda value: value in _ON, "no"),
    "rtp_keepalive": (lambda value: _number(value) > 0, "0"),
    "rtp_timeout": (lambda value: 0 < _number(value) < MIN_RTP_TIMEOUT, f"0 or at least {MIN_RTP_TIMEOUT}"),
    "media_encryption": (lambda value: value not in ("no", "none", ""), "no"),
}


def why_never(attributes: Mapping[str, str]) -> tuple[str, ...]:
    """Return the attributes of an endpoint, by name, that keep its calls with Asterisk."""
    return tuple(name for name, (against, _) in _AGAINST.items() if against(attributes.get(name, "")))


def judge_endpoints(endpoints: Mapping[str, Mapping[str, str]], *, left_out: int = 0) -> Item:
    """Judge endpoints by their attributes; of all that there are, so many were not looked at."""
    never = {name: why for name, attributes in sorted(endpoints.items()) if (why := why_never(attributes))}
    looked = f"{len(endpoints)}" + (f" of {len(endpoints) + left_out}" if left_out else "")
    if not never:
        return Item("endpoints", ok=True, text=f"{looked} looked at: none is configured against it")
    shown = [
        f"{name} ({', '.join(f'{key} = {endpoints[name][key]}' for key in why)})"
        for name, why in list(never.items())[:_NAMED]
    ]
    more = f" and {len(never) - _NAMED} more" if len(never) > _NAMED else ""
    wanted = {key: _AGAINST[key][1] for key in _AGAINST if any(key in why for why in never.values())}
    right = ", ".join(f"{key} = {value}" for key, value in wanted.items())
    text = f"calls of {len(never)} of {looked} are never offloaded: {', '.join(shown)}{more}; in pjsip.conf it takes {right}"
    # Two that can be offloaded are needed for a call that is; one may call itself, or a trunk be both ends.
    return Item(
        "endpoints",
        ok=len(never) < len(endpoints),
        text=text,
        command="asterisk -rx 'module reload res_pjsip.so'",
    )
