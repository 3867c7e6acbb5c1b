"""The options of Dial() in Asterisk 22 (apps/app_dial.c): what becomes of each, and their parser.

An option is done, or the whole call is left to Dial(): an option that were ignored would be another call than asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from stasis_offload.signalling import option_arguments as arg
from stasis_offload.signalling.causes import Cause
from stasis_offload.signalling.features import NO_FEATURES, Features, features_of
from stasis_offload.signalling.option_arguments import AnnouncedLimit, DialArgumentError, Place, left_to_dial


class Treatment(StrEnum):
    """What becomes of an option."""

    DONE = "done"
    RELAYED = "done, and the call is relayed while it needs audio"
    LEFT = "left to Dial()"


@dataclass(frozen=True, slots=True)
class DialOption:
    """One option: its letter, the form of its argument (empty: none), and why it is treated so."""

    letter: str
    argument: str
    treatment: Treatment
    text: str

    def __str__(self) -> str:
        return f"{self.letter}{self.argument}"


_TRANSFER = "may transfer the other one blind, by the digits of `blindxfer`, or attended, by those of `atxfer`: Asterisk has the call from then on."
_HANG_UP = "may end the call by the digits of `disconnect`"
_PARK = "may park the other one by the digits of `parkcall`."
_MIX_MONITOR = "may have the call recorded by the digits of `automixmon`."
_MONITOR = "Does nothing, as in Dial(): one-touch recording by Monitor() left Asterisk in version 21."
_TABLE = (
    DialOption(
        "A",
        "(x:y)",
        Treatment.RELAYED,
        "Before the two are bridged, each hears its file; the call is offloaded afterwards. A digit of the callee does not end it, and the caller's is announced as early media, so that it is heard.",
    ),
    DialOption(
        "a",
        "",
        Treatment.DONE,
        "The caller is answered when the callee answers, before what other options put in between.",
    ),
    DialOption(
        "b",
        "(context^exten^priority(args))",
        Treatment.DONE,
        "The subroutine runs on each callee's channel before it is dialled. Needs `func_offload_sub`.",
    ),
    DialOption(
        "B",
        "(context^exten^priority(args))",
        Treatment.DONE,
        "The subroutine runs on the caller's channel before anything is dialled. As with b.",
    ),
    DialOption("C", "", Treatment.DONE, "The caller's CDR begins anew; needs `func_offload_sub`."),
    DialOption(
        "c", "", Treatment.DONE, "A target that is cancelled learns that the call was answered elsewhere."
    ),
    DialOption(
        "d",
        "",
        Treatment.DONE,
        "Before the answer a digit of the caller's leads to its extension, if there is one, in EXITCONTEXT or the caller's context; needs `func_offload_sub`.",
    ),
    DialOption(
        "D",
        "(called:calling:progress)",
        Treatment.RELAYED,
        "The digits are sent after the answer, before the two are bridged. Digits at the callee's early media, MF and SF are left to Dial().",
    ),
    DialOption("E", "", Treatment.LEFT, "Part of D's MF and SF digits, which ARI does not send."),
    DialOption(
        "e",
        "",
        Treatment.DONE,
        "The h extension of the caller's context runs on the callee's channel, too, as a hangup handler; needs `func_offload_sub`.",
    ),
    DialOption(
        "f",
        "(x)",
        Treatment.DONE,
        "The callee is sent x as the caller's identity; without x, where it forwards to is sent the dialled extension, not the name of its hint. Needs `func_offload_sub`.",
    ),
    DialOption(
        "F",
        "(context^exten^priority)",
        Treatment.DONE,
        "When the caller hangs up, the callee continues at that place, or after Dial(). There `DB()`, `SHELL()` and the like may be refused (docs/dial.md).",
    ),
    DialOption("g", "", Treatment.DONE, "The caller continues in the dialplan when the callee hangs up."),
    DialOption(
        "G",
        "(context^exten^priority)",
        Treatment.DONE,
        "At the answer the caller continues at that place, whose priority is a number, and the callee at the next priority. For the callee `DB()`, `SHELL()` and the like may be refused (docs/dial.md).",
    ),
    DialOption("h", "", Treatment.DONE, f"The callee {_HANG_UP}."),
    DialOption("H", "", Treatment.DONE, f"The caller {_HANG_UP}, also while it rings."),
    DialOption("i", "", Treatment.DONE, "A callee that forwards (302) counts as busy."),
    DialOption(
        "I",
        "",
        Treatment.DONE,
        "Until the answer neither party is told of the other's identity, or of a redirection.",
    ),
    DialOption(
        "j", "", Treatment.LEFT, "ARI gives a new channel the caller's present streams, not the first ones."
    ),
    DialOption("k", "", Treatment.DONE, f"The callee {_PARK}"),
    DialOption("K", "", Treatment.DONE, f"The caller {_PARK}"),
    DialOption(
        "L",
        "(x:y:z)",
        Treatment.RELAYED,
        "The call ends after x ms; announcements as LIMIT_ variables say, for each of which the media returns to Asterisk. The callee stays for the one at the end.",
    ),
    DialOption(
        "m",
        "(class)",
        Treatment.DONE,
        "The caller hears music on hold of the class until the answer, and no early media.",
    ),
    DialOption("n", "(delete)", Treatment.LEFT, "Part of p and P."),
    DialOption("N", "", Treatment.LEFT, "Part of p and P."),
    DialOption(
        "o",
        "(x)",
        Treatment.DONE,
        "The callee's channel has x, or the caller's own, as its caller id; needs `func_offload_sub`.",
    ),
    DialOption("O", "(mode)", Treatment.LEFT, "For DAHDI channels, whose audio does not pass the switch."),
    DialOption(
        "p", "", Treatment.LEFT, "Records the caller's name and asks the callee by menus of Asterisk's own."
    ),
    DialOption("P", "(x)", Treatment.LEFT, "As p, and keeps the answers in Asterisk's database."),
    DialOption(
        "Q",
        "(cause)",
        Treatment.DONE,
        "The cause for the targets that are hung up when another one answers; a number, or a name as `Hangup()` knows it; no cause (0, NONE) is left to Dial().",
    ),
    DialOption(
        "r",
        "(tone)",
        Treatment.DONE,
        "The caller is sent ringing at once, and no audio before the answer; or it hears a tone of `indications.conf`, which needs `func_offload_sub`.",
    ),
    DialOption("R", "", Treatment.DONE, "The caller is sent ringing at once, then what the callee sends."),
    DialOption(
        "S", "(x)", Treatment.DONE, "The call ends x seconds after the answer (needs `func_timeout`)."
    ),
    DialOption("s", "(x)", Treatment.DONE, "The tag of the identity of f."),
    DialOption("t", "", Treatment.DONE, f"The callee {_TRANSFER}"),
    DialOption("T", "", Treatment.DONE, f"The caller {_TRANSFER}"),
    DialOption("u", "(x)", Treatment.DONE, "The presentation of the identity of f."),
    DialOption(
        "U",
        "(x^args)",
        Treatment.RELAYED,
        "The subroutine runs on the callee's channel after its answer; GOSUB_RESULT says what becomes of the call. Needs `func_offload_sub`.",
    ),
    DialOption("w", "", Treatment.DONE, _MONITOR),
    DialOption("W", "", Treatment.DONE, _MONITOR),
    DialOption("x", "", Treatment.RELAYED, f"The callee {_MIX_MONITOR}"),
    DialOption("X", "", Treatment.RELAYED, f"The caller {_MIX_MONITOR}"),
    DialOption("z", "", Treatment.DONE, "A call that is forwarded (302) may ring without limit."),
)
OPTIONS: Mapping[str, DialOption] = {option.letter: option for option in _TABLE}


@dataclass(frozen=True, slots=True)
class DialOptions:
    """The options of one call.

    Before dialling the caller's CDR begins anew (`reset_cdr`: C), and subroutines run on the caller (`caller_sub`: B) and on
    each callee (`callee_sub`: b); a callee is sent the identity `connected` (f), or only if it is forwarded to `forwards_as`, with the presentation `presentation` (u)
    and the tag `tag` (s), and has itself the `caller_id` (o; empty: the caller's). No callee may forward (`no_forwarding`: i), or
    the timeout ends when one does (`forwards_wait`: z);
    neither party is told who the other is before the answer (`no_updates`: I).

    Until the answer the caller is sent ringing at once (`ring_at_once`: r, R), and only that (`ring_only`: r), or hears a `tone` (r),
    music of a class (`music`: m; empty: the channel's own); a digit of the caller's may lead elsewhere (`digit_exits`: d). A target that is cancelled learns that the call was
    `answered_elsewhere` (c); targets are hung up with `dismiss_cause` when another one answers (Q).

    Before the two are bridged, each may hear a file (`files`, callee's and caller's: A), a subroutine runs on the callee
    (`answer_sub`: U), and digits are sent to each (`digits`, as files: D); the caller is answered last, or first
    (`answer_first`: a). The call ends `time_limit` seconds after the answer (S), or by
    `announced_limit` (L), which undoes S.

    When the callee hangs up, the caller continues in the dialplan (`go_on`: g); when the caller hangs up, the callee does
    (`callee_goes_to`: F), unless the h extension runs on it at the end (`runs_h`: e). Instead of being bridged, both continue there, the caller at `part_at`, the callee at the next
    priority (G).

    Each party may ask for `features` by digits (t, T, h, H, k, K, x, X).
    """

    go_on: bool = False
    reset_cdr: bool = False
    caller_sub: str | None = None
    callee_sub: str | None = None
    connected: str | None = None
    forwards_as: str | None = None
    presentation: str | None = None
    tag: str | None = None
    caller_id: str | None = None
    no_forwarding: bool = False
    forwards_wait: bool = False
    no_updates: bool = False
    ring_at_once: bool = False
    ring_only: bool = False
    tone: str | None = None
    music: str | None = None
    digit_exits: bool = False
    answered_elsewhere: bool = False
    dismiss_cause: int = Cause.ANSWERED_ELSEWHERE
    files: tuple[str, str] = ("", "")
    answer_sub: str | None = None
    digits: tuple[str, str] = ("", "")
    answer_first: bool = False
    time_limit: float | None = None
    announced_limit: AnnouncedLimit | None = None
    callee_goes_to: Place | None = None
    runs_h: bool = False
    part_at: Place | None = None
    features: Features = NO_FEATURES

    @property
    def withholds(self) -> str:
        """What a callee's channel does not pass on, by the letters of the options."""
        return "i" * self.no_forwarding + "I" * self.no_updates

    @property
    def entertained(self) -> bool:
        """Whether the caller is not to hear the callee before the answer."""
        return self.ring_only or self.music is not None or self.delays_answer

    @property
    def delays_answer(self) -> bool:
        """Whether something comes between the callee's answer and the caller's."""
        return any((*self.files, *self.digits, self.answer_sub, self.part_at))

    @property
    def prepares_callee(self) -> bool:
        """Whether a callee's channel is changed before it is dialled, once it has what the caller's gives it."""
        return self.callee_sub is not None or self.connected is not None or self.caller_id is not None


NO_OPTIONS = DialOptions()


def parse_options(text: str, here: Place) -> DialOptions:
    """Parse the option string of a Dial() that is `here`.

    Raises:
        DialArgumentError: naming the option that is unknown, left to Dial() or malformed, and why.

    """
    arguments = arg.split_options(text.strip())
    for letter in arguments:
        option = OPTIONS.get(letter)
        if option is None:
            raise DialArgumentError(f"Dial() has no option {letter!r}")
        if option.treatment is Treatment.LEFT:
            raise left_to_dial(letter, option.text)
    return DialOptions(
        go_on="g" in arguments,
        reset_cdr="C" in arguments,
        caller_sub=arg.parse_sub("B", arguments.get("B", ""), here),
        callee_sub=arg.parse_sub("b", arguments.get("b", ""), here),
        connected=arguments.get("f") or None,
        forwards_as=f"<{here[1]}>" if arguments.get("f") == "" else None,
        presentation=arguments.get("u") or None,
        tag=arguments.get("s") or None,
        caller_id=arguments.get("o"),
        no_forwarding="i" in arguments,
        forwards_wait="z" in arguments,
        no_updates="I" in arguments,
        ring_at_once=not arguments.keys().isdisjoint("rR"),
        ring_only="r" in arguments,
        tone=arguments.get("r") or None,
        music=arguments.get("m"),
        digit_exits="d" in arguments,
        answered_elsewhere="c" in arguments,
        dismiss_cause=arg.parse_cause(arguments.get("Q", "")),
        files=arg.parse_files(arguments.get("A", "")),
        answer_sub=arg.parse_answer_sub(arguments.get("U", "")),
        digits=arg.parse_digits(arguments.get("D", "")),
        answer_first="a" in arguments,
        time_limit=arg.parse_seconds(arguments.get("S", "")),
        announced_limit=arg.parse_limit(arguments.get("L", "")),
        callee_goes_to=_after_caller(arguments, here),
        runs_h="e" in arguments,
        part_at=arg.parse_numbered_place("G", arguments.get("G", ""), here),
        features=features_of(arguments),
    )


def _after_caller(arguments: Mapping[str, str], here: Place) -> Place | None:
    """Return where the callee goes when the caller hangs up; option e goes before (app_dial.c, setup_peer_after_bridge_goto)."""
    if "F" not in arguments or "e" in arguments:
        return None
    return arg.parse_place("F", arguments["F"], here) or arg.next_place(here)


def options_as_markdown() -> str:
    """Return the documentation page of all options."""
    lines = [
        "# The options of Dial()",
        "",
        "Written by `stasis-offload options --markdown`: what becomes of each option of Asterisk 22's `Dial()` in the third",
        "argument of `OffloadDial()`. With one that is left to `Dial()`, it runs `Dial()` itself, and Asterisk relays the call.",
        "",
        "With `A`, `D`, `G` or `U` the caller is sent ringing where `Dial()` would pass on the callee's early media. L and S",
        "count on while the switch carries the call; after a restart of the application `L` with announcements begins again.",
        "",
        "Features by digits (h, H, k, K, t, T, x, X) have the digits of `features.conf` and FEATUREMAP(), and need",
        "`func_offload_features`. While Asterisk relays the call it follows the digits itself, in a bridge that is not native, and",
        "the other party does not hear them. While the call is learned and while the switch carries it, the application follows",
        "them: the other party hears them, too, and the media returns to Asterisk (`dtmf-feature`) for what they ask for. A call whose",
        "digits the switch cannot tell from audio is relayed (`dtmf-unseen`).",
        "",
        "| option | treatment | |",
        "|---|---|---|",
        *(f"| `{option}` | {option.treatment} | {option.text} |" for option in OPTIONS.values()),
    ]
    return "\n".join(lines) + "\n"
