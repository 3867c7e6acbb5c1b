"""The signalling machine: what no sequence of events can make it do, and how every call ends."""

from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.ari_mapping import event_from_result
from stasis_offload.signalling.dial_args import DialRequest
from stasis_offload.signalling.dial_options import DialOptions
from stasis_offload.signalling.machine import returns_media, step, supersedes
from stasis_offload.signalling.state import Callee, Dialing, Phase

NOW = 100.0
LETS_CALLER_GO = cmd.ContinueInDialplan | cmd.HangUpCaller | cmd.ReleaseCaller

numbers = st.integers(min_value=0, max_value=4)
causes = st.sampled_from([0, 1, 16, 17, 19, 34, 127])
events = st.one_of(
    st.just(ev.Started()),
    st.just(ev.DialTimedOut()),
    st.just(ev.BridgeRefused()),
    st.just(ev.BridgeFailed()),
    st.builds(ev.CallerHangingUp, causes),
    st.builds(ev.CallerLeft, causes),
    *(
        st.builds(kind, numbers)
        for kind in (
            ev.CalleeEnteredStasis,
            ev.CalleeBridged,
            ev.CalleeRinging,
            ev.CalleeProgress,
            ev.CalleeAnswered,
            ev.CalleeHangingUp,
            ev.CalleeLeftStasis,
        )
    ),
    *(st.builds(kind, numbers, causes) for kind in (ev.CreateFailed, ev.CalleeRejected, ev.CalleeDestroyed)),
    st.builds(ev.CalleeReplaced, numbers, st.just("old"), st.booleans()),
    st.builds(ev.CalleeDiverted, numbers, st.sampled_from(["700", "PJSIP/1"]), st.just("x"), st.just("")),
    st.builds(ev.CalleePickedUp, numbers, st.just("old")),
    st.builds(ev.CallerReplaced, st.just("old"), st.booleans()),
)
requests = st.builds(
    DialRequest,
    st.lists(st.sampled_from(["PJSIP/1", "Local/1@x"]), min_size=1, max_size=3).map(tuple),
    st.sampled_from([None, 10.0]),
    st.builds(DialOptions, st.booleans()),
)


@given(requests, st.lists(events, max_size=30))
def test_no_sequence_of_events_breaks_the_call(request: DialRequest, sequence: list[ev.Event]) -> None:
    dialing, commands, winners = Dialing(request), list[cmd.Command](), set[int]()
    # However it began, every channel ends some day, and each forward has added one.
    n_callees = range(1, len(request.targets) + len(sequence) + 1)
    ends: list[ev.Event] = [ev.CallerLeft(0), *(ev.CalleeDestroyed(n, 16) for n in n_callees)]
    for event in [ev.Started(), *sequence, *ends]:
        was = dialing.caller_here
        dialing, more = step(dialing, event, NOW)
        winners |= {dialing.winner} if dialing.winner else set()
        if isinstance(event, ev.CallerReplaced):
            continue  # whoever comes late is told to go once more
        commands += more
        assert not any(isinstance(c, LETS_CALLER_GO) for c in more) or was
        if dialing.phase in (Phase.ENDING, Phase.OVER):
            assert not {Callee.CREATING, Callee.DIALLED} & set(dialing.callees)
        assert dialing.deadline is None or dialing.phase is Phase.DIALING
    assert dialing.over
    assert len(winners) <= 1
    assert sum(isinstance(c, LETS_CALLER_GO) for c in commands) <= 1
    assert commands.count(cmd.DestroyBridge()) == 1
    assert not any(isinstance(c, cmd.ContinueInDialplan) for c in commands) or not dialing.caller_replaced


def check_media_first(request: DialRequest, events_: list[ev.Event]) -> None:
    dialing, media, ended = Dialing(request), False, False
    for event in events_:
        media = media and not returns_media(dialing, event)
        dialing, commands = step(dialing, event, NOW)
        for command in commands:
            match command:
                case cmd.StartMedia():
                    assert not ended  # EndMedia is for good
                    media = True
                case cmd.EndMedia():
                    media, ended = False, True
                case cmd.ReturnMedia():
                    media = False
                case (
                    cmd.HangUpReplaced()
                    | cmd.HangUpCaller()
                    | cmd.ReleaseCaller()
                    | cmd.ContinueInDialplan()
                    | cmd.DestroyBridge()
                ):
                    assert not media
                case cmd.HangUp(n) | cmd.Release(n):
                    assert not media or n != dialing.winner
                case _:
                    pass


@given(requests, st.lists(events, max_size=30))
def test_media_ends_before_its_channels_and_its_bridge(
    request: DialRequest, sequence: list[ev.Event]
) -> None:
    check_media_first(request, [ev.Started(), *sequence])


@given(requests, st.lists(events, max_size=30))
def test_media_that_started_ends_before_its_channels_and_its_bridge(
    request: DialRequest, sequence: list[ev.Event]
) -> None:
    outside: list[ev.Event] = [ev.CalleeEnteredStasis(1), ev.CalleeAnswered(1), ev.CalleeBridged(1)]
    inside: list[ev.Event] = [ev.CalleeEnteredStasis(1), ev.CalleeBridged(1), ev.CalleeAnswered(1)]
    answered = inside if Dialing(request).in_bridge else outside
    check_media_first(request, [ev.Started(), *answered, *sequence])


class Asterisk:
    """A model of what Asterisk does with the commands: its channels, and the events still to be delivered."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.bridge = False
        self.caller_here = True
        self.callees: set[int] = set()
        self.connected: list[int] = []
        self.events: list[ev.Event] = []

    def execute(self, commands: tuple[cmd.Command, ...]) -> list[ev.Event]:
        answers = []
        for command in commands:
            done = self._do(command)
            if answer := event_from_result(command, done=done):
                answers.append(answer)
            if (
                not done
                and not isinstance(command, cmd.Create | cmd.CreateDiverted)
                and self._data.draw(st.booleans())
            ):
                break
        return answers

    def _do(self, command: cmd.Command) -> bool:
        match command:
            case cmd.CreateBridge():
                self.bridge = self._may()
                return self.bridge
            case cmd.Create(n) | cmd.CreateDiverted(n):
                if not self._may():
                    return False
                self.callees.add(n)
                self.events.append(ev.CalleeEnteredStasis(n))
            case cmd.Join(n):
                return self.bridge and self.caller_here and n in self.callees
            case cmd.Dial(n) if n in self.callees:
                self.events += self._data.draw(
                    st.sampled_from(
                        [
                            [],
                            [ev.CalleeRinging(n)],
                            [ev.CalleeProgress(n), ev.CalleeAnswered(n)],
                            [ev.CalleeAnswered(n)],
                            [ev.CalleeRejected(n, 17)],
                            [ev.CalleeDiverted(n, "700", "x", "")],
                        ]
                    )
                )
            case cmd.Dial():
                return False
            case cmd.HangUp(n, cause) | cmd.Release(n, cause):
                self.end(n, cause)
            case cmd.ContinueInDialplan() | cmd.HangUpCaller() | cmd.ReleaseCaller():
                self.end_caller()
            case cmd.StartMedia(n):
                self.connected.append(n)
            case cmd.DestroyBridge():
                self.bridge = False
        return True

    def end(self, n: int, cause: int) -> None:
        if n in self.callees:
            self.callees.remove(n)
            self.events += [ev.CalleeHangingUp(n), ev.CalleeLeftStasis(n), ev.CalleeDestroyed(n, cause)]

    def end_caller(self) -> None:
        if self.caller_here:
            self.caller_here = False
            self.events += [ev.CallerHangingUp(16), ev.CallerLeft(16)]

    def _may(self) -> bool:
        return self._data.draw(st.sampled_from([True, True, True, False]))


@given(requests, st.data())
def test_whatever_the_parties_do_no_channel_and_no_bridge_is_left(
    request: DialRequest, data: st.DataObject
) -> None:
    asterisk, dialing = Asterisk(data), Dialing(request)
    asterisk.events.append(ev.Started())
    for turn in range(200):
        if not asterisk.events or (turn < 20 and data.draw(st.booleans())):
            # Somebody acts, whether or not something is on its way; in the end the caller does.
            acts = ["caller", "timeout", *sorted(asterisk.callees)] if turn < 20 else ["caller"]
            act = data.draw(st.sampled_from(acts))
            if isinstance(act, int):
                asterisk.end(act, 16)
            elif act == "timeout" and dialing.deadline is not None:
                asterisk.events.append(ev.DialTimedOut())
            else:
                asterisk.end_caller()
        answers = [asterisk.events.pop(0)] if asterisk.events else []
        while answers:
            dialing, commands = step(dialing, answers.pop(0), NOW)
            answers += asterisk.execute(commands)
        if dialing.over and not asterisk.events:
            break
    assert dialing.over
    assert not asterisk.callees
    assert not asterisk.caller_here
    assert not asterisk.bridge
    assert asterisk.connected in ([], [dialing.winner])


def test_nothing_is_begun_for_a_caller_who_has_left_before_the_beginning_was_processed() -> None:
    assert supersedes(ev.CallerLeft(0), ev.Started())
    assert not supersedes(ev.CallerLeft(0), ev.CalleeAnswered(1))
    ended, commands = step(Dialing(DialRequest(("PJSIP/555@peer",))), ev.CallerLeft(0), NOW)
    assert ended.phase is Phase.OVER
    assert not any(isinstance(command, cmd.Create | cmd.HangUpCaller) for command in commands)
