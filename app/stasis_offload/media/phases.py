"""The documentation page of the media machine's table (docs/phases.md)."""

from collections.abc import Mapping
from typing import get_args

from stasis_offload.media import events as ev
from stasis_offload.media.machine import IGNORED, TRANSITIONS
from stasis_offload.media.state import STATES, Phase

MEANINGS: Mapping[Phase, str] = {
    Phase.RELAYED: "Asterisk relays the call, for the reason that is shown.",
    Phase.AWAITING_NATIVE: "Packets are observed while Asterisk does not bridge the call natively yet.",
    Phase.LEARNING: "Packets are observed until one of each leg is known and Asterisk has received both legs.",
    Phase.CUTTING_OVER: "All is known; the call waits for the cutover window.",
    Phase.DORMANT: "A leg is silent; one flow waits for its next packet.",
    Phase.UNVERIFIED: "The switch carries the call; a forwarded packet of each leg has yet to be mirrored, or the leg is silent.",
    Phase.VERIFIED: "The switch forwards what the legs send; Asterisk may still relay what it received before the cutover.",
    Phase.GUARDED: "The switch carries the call, and anything that Asterisk sends to a leg is its own.",
    Phase.ENDED: "The call is over.",
}


def transitions_as_markdown() -> str:
    """Return the documentation page of what each event does in each phase."""
    lines = [
        "# What each event does to a call's media",
        "",
        "Written by `stasis-offload phases --markdown` from the table in `app/stasis_offload/media/machine.py`. The state of",
        "a call (`stasis-offload calls`) follows from its phase; `docs/media.md` explains the way in and out.",
    ]
    for phase in Phase:
        lines += ["", f"## {phase}", "", _meaning(phase), "", "| event | what is done |", "|---|---|"]
        lines += [
            f"| `{event.__name__}` | {_text(TRANSITIONS[phase][event])} |"
            for event in get_args(ev.Event)
            if event in TRANSITIONS[phase]
        ]
        ignored = [f"`{event.__name__}`" for event in get_args(ev.Event) if event in IGNORED[phase]]
        lines += ["", f"Ignored: {', '.join(ignored)}."]
    return "\n".join(lines) + "\n"


def _meaning(phase: Phase) -> str:
    return f"State `{STATES[phase]}`. {MEANINGS[phase]}"


def _text(handler: object) -> str:
    return (handler.__doc__ or "").partition("\n")[0]
