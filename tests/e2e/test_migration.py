"""The dialplans of dialplan/examples: what the parties of each call see is the same before and after the move."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import control
from lab.capture import SipMessage, captured
from lab.control import wait_until
from stasis_offload.dialplan_files import read_dialplan
from tests.support.observed import Cdrs, more_packets
from tests.support.party import relayed_more

EXAMPLES = Path(__file__).parents[2] / "dialplan" / "examples"
IN_PLACE = "/etc/asterisk/extensions_example.conf"
MEMBER = "Local/103@agents"
CALLED = {
    "office-200": "ring group",
    "office-101": "voicemail",
    "office-300": "queue",
    "office-0555": "trunk",
}
# Of asterisk1, who stand for the office's phones and for whom the second trunk reaches.
CALLEES = ("180", "200", "555")

# The phone that nobody answers and its mailbox, both phones of the ring group, the second trunk, and four of the queue's:
# the caller with the Local channel and, once that is gone, with the agent; both of these for themselves.
CDRS = 9
NOTED = ("src", "dst", "dcontext", "lastapp", "lastdata", "disposition", "userfield")

# Of the contexts, extensions and priorities that Asterisk lists: those of a file, by line.
_CONTEXT = re.compile(r"\[ Context '(.*)' created by '.*' \]")
_STEP = re.compile(r".*?(\d+)\. (.*?)\s*\[(extensions_example\.conf):(\d+)\]")

# All that a dialplan may be written like, and what Asterisk ignores in it.
ODD = r"""
[odd-template](!)
exten => 1,1,NoOp(of the template)
[odd](odd-template)
exten => 2,1(start),Dial(PJSIP/a\;x=y,30) ; comment
 same => n,NoOp(a,"b,c",(d,e),${F(g,h)}) ;-- comment ;-- nested --; still --;
 same => n(label) ,  Verbose(1,a \\ b)
 same = n+10,NoOp()
 same => label+50,NoOp(after the label)
exten = _[1,5]X.,1,NoOp(${EXTEN:1}) ;--- not a block
exten => 3,s,NoOp(same priority as the last)
exten => 4/555,1,NoOp(of one caller)
exten => 5,1,NoOp(no end
exten => 6,1,NoOp
exten => 7,hint,PJSIP/7
exten => 8,n,NoOp(goes on)
;-- exten => 9,1,NoOp(a)
exten => 9,2,NoOp(b) --; exten => 9,3,NoOp(c)
exten => 10,nowhere,NoOp(x)
exten => 11,1(open,NoOp(x)
exten => 12,1,NoOp(a) --; closes nothing
exten => 13,1,NoOp(hidden)
#tryinclude extensions_missing.conf
"""


@contextmanager
def loaded(text: str) -> Iterator[None]:
    """Have node 2 load a dialplan beside its own, with 5 seconds to answer: 200 takes two."""
    script = f'cat >{IN_PLACE} <<<"$1"'
    control.execute("asterisk2", "bash", "-c", script, "bash", text)
    control.asterisk("asterisk2", "dialplan reload")
    control.asterisk("asterisk2", "dialplan set global RING 5")
    # Not in queues.conf: to Queue() a Local channel is invalid if its extension was not there when it was loaded.
    control.asterisk("asterisk2", f"queue add member {MEMBER} to sales")
    try:
        yield
    finally:
        control.asterisk("asterisk2", f"queue remove member {MEMBER} from sales")
        control.execute("asterisk2", "bash", "-c", script, "bash", "")
        control.asterisk("asterisk2", "dialplan reload")


def rows(service: str) -> list[list[str]]:
    """List the channels of an Asterisk: name, context, extension, priority, state, application, …."""
    found = control.asterisk(service, "core show channels concise").splitlines()
    return [row.split("!") for row in found if "!" in row]


def call_all() -> set[str]:
    """Make the office's calls, all at once, hang up as the callers, and return the callees whose media was moved."""
    for number in CALLED:
        control.originate(f"{number}@asterisk2")
    # The four callers, whom 102, the queue's agent, the second trunk and the mailbox answer.
    wait_until(
        lambda: sum(row[4] == "Up" for row in rows("asterisk1")) == 7,
        within=15,
        what="every call to be answered",
    )
    wait_until(lambda: "VoiceMail" in {row[5] for row in rows("asterisk2")}, within=5, what="voicemail")
    wait_until(lambda: all(call["state"] == "offloaded" for call in control.calls()), within=15, what="media")
    if control.calls():
        more_packets(50)
    else:
        relayed_more(50)
    offloaded = {call["callee"].partition("-")[0] for call in control.calls()}
    for row in rows("asterisk1"):
        if row[2] not in CALLEES:
            control.asterisk("asterisk1", f"channel request hangup {row[0]}")
    for node in ("asterisk1", "asterisk2"):
        wait_until(lambda node=node: not rows(node), within=10, what=f"{node} to have no channel")  # type: ignore[misc]
    return offloaded


def seen_in(messages: list[SipMessage]) -> list[str]:
    """List what one party saw of its dialogs: each request, ringing and final response, with a SIP reason if it has one.

    Not the number of a Q.850 reason: of a target that did not answer in time Dial() gives none, which ARI cannot.
    """
    seen = []
    for message in messages:
        first, method = message.start.split(), (message.header("CSeq") or "").split()[-1]
        reason = message.header("Reason") or ""
        if first[0] != "SIP/2.0" and first[0] != "ACK":
            seen.append(f"{first[0]} {reason if reason.startswith('SIP') else ''}")
        elif first[0] == "SIP/2.0" and method == "INVITE" and first[1] != "100":
            seen.append(first[1])
    return sorted(seen)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the office's calls: whose media the switch carried, and what parties and CDRs show."""

    offloaded: set[str]
    seen: dict[str, list[str]]
    heard: int  # streams of half a second at least that reached the other party
    written: list[tuple[str, ...]]  # CDRs: both channels without their numbers, and the fields of NOTED


def outcome_of(name: str) -> Outcome:
    cdrs = Cdrs()
    with loaded((EXAMPLES / f"{name}.conf").read_text(encoding="utf-8")), captured() as capture:
        offloaded = call_all()
        written = wait_until(
            lambda: found if len(found := cdrs.all()) >= CDRS else None, within=5, what="every CDR"
        )
    return Outcome(
        offloaded,
        {number: seen_in(capture.dialogue(number)) for number in (*CALLED, *CALLEES)},
        sum(len(stream.packets) >= 25 for stream in capture.end_to_end),
        sorted(
            (
                *(row[party].partition("-")[0] for party in ("channel", "dstchannel")),
                *(row[name] for name in NOTED),
            )
            for row in written
        ),
    )


def test_every_call_of_the_example_is_to_its_parties_what_it_was_before() -> None:
    before, after = outcome_of("before"), outcome_of("after")
    assert after.seen == before.seen
    assert after.written == before.written
    assert "outside ANSWER" in {row[-1] for row in after.written}
    # Both directions of the ring group's, the agent's and the trunk's calls.
    assert (after.heard, before.heard) == (6, 6)
    assert (after.offloaded, before.offloaded) == ({"PJSIP/102", "PJSIP/trunk2"}, set())


def test_the_command_reads_a_dialplan_as_asterisk_does(tmp_path: Path) -> None:
    file = tmp_path / "extensions_example.conf"
    file.write_text(ODD, encoding="utf-8")
    with loaded(ODD.rstrip("\n")):
        shown = control.asterisk("asterisk2", "dialplan show")
    listed, context = set(), ""
    for line in shown.splitlines():
        if found := _CONTEXT.match(line):
            context = found[1]
        elif found := _STEP.match(line):
            listed.add((int(found[4]), context, int(found[1]), found[2]))
    ours = {
        (step.entry.line, step.context, step.priority, as_asterisk_lists(step.entry.value[step.start :]))
        for step in read_dialplan(file).steps()
    }
    assert ours == listed


def as_asterisk_lists(application: str) -> str:
    name, _, arguments = application.partition("(")
    return f"{name}({arguments[: arguments.rfind(')')] if ')' in arguments else arguments})"
