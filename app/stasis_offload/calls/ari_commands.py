"""Carries out over ARI the commands of the signalling machine that concern Asterisk alone."""

from collections.abc import Callable
from typing import assert_never

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.ari_http import RefusedError, long_requests
from stasis_offload.asterisk.indication import Indication
from stasis_offload.calls.diversions import check_forwards, create_diverted
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling.call_ids import CALLER, playback_id
from stasis_offload.signalling.causes import DialStatus
from stasis_offload.signalling.events import ExitFound, LimitSoundsRead
from stasis_offload.signalling.legs import Legs
from stasis_offload.signalling.option_arguments import in_full
from stasis_offload.signalling.state import Dialing
from stasis_offload.signalling.time_limit import SOUND_VARIABLES, sounds_of


async def carry_out(  # noqa: PLR0912, PLR0915 - one row a command
    ari: AriClient, command: cmd.Command, *, channel: Callable[[int], str], bridge: str
) -> None:
    """Carry out a command; `channel` returns the id of the channel that a leg is, `bridge` is the call's.

    Raises:
        AriError: Asterisk refused it, or could not be reached.

    """
    match command:
        case cmd.SetStatus(status):
            await ari.set_variable(channel(CALLER), name="DIALSTATUS", value=status)
        case cmd.SetDuration(name, seconds):
            ms = round(seconds * 1000)
            await ari.set_variables(channel(CALLER), {name: str(ms // 1000), f"{name}_MS": str(ms)})
        case cmd.LeavePickupGroups():
            for groups in ("callgroup", "namedcallgroup"):
                await ari.set_variable(channel(CALLER), name=f"CHANNEL({groups})", value="")
        case cmd.CreateBridge():
            await ari.make_bridge(bridge)
        case cmd.Create(n, endpoint, withholds):
            await ari.create(channel(n), endpoint=endpoint, originator=channel(CALLER), withholds=withholds)
        case cmd.TellCaller(n):
            await ari.set_variable(channel(CALLER), name="OFFLOAD_CONNECTED()", value=channel(n))
        case cmd.Join(n, silent):
            await ari.join(channel(CALLER), channel(n), bridge=bridge, silent=silent)
        case opt.ResetCdr():
            await ari.set_variable(channel(CALLER), name="OFFLOAD_RESET_CDR()", value="1")
        case opt.RunSub(n, sub):
            await _run_sub(ari, channel(n), sub=sub)
        case opt.RunPreDialSub(n, sub):
            await _run_sub(ari, channel(n), sub=sub, when="pre-dial")
        case opt.Inherit(n):
            await ari.set_variable(channel(n), name="OFFLOAD_INHERIT()", value=channel(CALLER))
        case opt.SetConnected(n, party, presentation, tag):
            await _set_connected(ari, channel(n), party, presentation, tag)
        case opt.SetCallerId(n, party):
            own = party or await ari.get_variable(channel(CALLER), "CALLERID(all)") or ""
            await ari.set_variable(channel(n), name="CALLERID(all)", value=own)
        case cmd.Dial(n, inherited):
            await ari.dial(channel=channel(n), caller=None if inherited else channel(CALLER))
        case cmd.CheckForwards():
            await check_forwards(ari, channel(CALLER))
        case cmd.CreateDiverted():
            await create_diverted(ari, command, channel)
        case cmd.Ring():
            await ari.indicate(channel(CALLER), Indication.RING)
        case cmd.StopRing():
            await ari.indicate(channel(CALLER), Indication.STOP_RING)
        case cmd.Progress():
            await ari.indicate(channel(CALLER), Indication.PROGRESS)
        case opt.StartTone(tone):
            await ari.set_variable(channel(CALLER), name="OFFLOAD_TONE()", value=tone)
        case opt.StartMusic(music):
            await ari.start_music(channel(CALLER), music=music)
        case opt.StopMusic():
            await ari.indicate(channel(CALLER), Indication.STOP_MUSIC)
        case opt.SetTimeLimit(n, seconds):
            await ari.set_variable(channel(n), name="TIMEOUT(absolute)", value=f"{seconds:.3f}")
        case opt.Unbridge(n):
            # Asterisk has it in a bridge of its own until it is in another one (control.c, add_to_dial_bridge).
            await ari.join(channel(n), bridge=bridge)
            await ari.part(bridge=bridge, channel=channel(n))
        case opt.Play(n, media):
            await ari.play(channel(n), media=",".join(media), playback=playback_id(bridge, n))
        case opt.StopPlaying(n):
            await ari.stop_playback(playback_id(bridge, n))
        case opt.RunHAtEnd(n):
            await ari.set_variable(channel(n), name="OFFLOAD_RUN_H()", value=channel(CALLER))
        case opt.SendDigits(n, digits):
            await ari.send_digits(channel(n), digits)
            await _until_idle(ari, channel(n))
        case opt.SendCallee(n, place):
            await ari.continue_in_dialplan(channel(n), place)
        case cmd.Answer(bridged):
            await ari.indicate(channel(CALLER), Indication.ANSWER)
            if bridged:
                await ari.set_variable(channel(CALLER), name="OFFLOAD_REBRIDGE()", value="1")
        case cmd.HangUp(n, cause):
            await ari.hang_up(channel(n), cause=cause)
        case cmd.HangUpCaller(cause):
            await ari.hang_up(channel(CALLER), cause=cause)
        case cmd.Release(n, cause):
            await ari.release(channel(n), cause=cause)
        case cmd.ReleaseCaller(cause):
            await ari.release(channel(CALLER), cause=cause)
        case cmd.ContinueInDialplan(status, cause, place):
            if not cause:
                await _part_without_cause(ari, channel(CALLER), bridge=bridge)
            if status is DialStatus.INVALIDARGS:
                await leave_to_dial(ari, channel(CALLER), ReasonKind.NO_BRIDGE)
            else:
                await leave(ari, channel(CALLER), status=status, cause=cause, place=place)
        case cmd.DestroyBridge():
            await ari.destroy_bridge(bridge)
        case (
            cmd.StartMedia()
            | cmd.ReturnMedia()
            | cmd.EndMedia()
            | cmd.HangUpReplaced()
            | cmd.SetDiversion()
            | opt.RunAnswerSub()
            | opt.FindExit()
            | opt.ReadLimitSounds()
        ):
            raise TypeError(f"the call carries out {command}")
        case _:
            assert_never(command)


async def set_answered(ari: AriClient, dialing: Dialing, legs: Legs) -> None:
    """Set on the caller that somebody answered, and who: the name of the callee's channel, and its target without the technology."""
    variables: dict[str, str] = {"DIALSTATUS": DialStatus.ANSWER}
    winner = dialing.winner
    if winner:
        # Dial() notes no number of where a callee forwarded to (app_dial.c, do_forward).
        target = "" if dialing.diversion(winner) else dialing.dialled(winner)
        variables["DIALEDPEERNAME"] = legs.name(winner) or ""
        variables["DIALEDPEERNUMBER"] = target.partition("/")[2]
    await ari.set_variables(legs.channel(CALLER), variables)


async def _part_without_cause(ari: AriClient, channel: str, *, bridge: str) -> None:
    """Take a channel out of the bridge and keep its hang-up cause, none as a rule.

    A bridge gives one to whoever leaves it without (bridge_channel.c, channel_set_cause); Dial() does not.
    """
    cause = await ari.get_variable(channel, "HANGUPCAUSE")
    await ari.part(bridge=bridge, channel=channel)
    await ari.set_variable(channel, name="OFFLOAD_HANGUPCAUSE()", value=cause or "0")


async def run_answer_sub(ari: AriClient, callee: str, *, sub: str, caller: str) -> str:
    """Run a subroutine on a callee, pass its GOSUB_RETVAL on to the caller, and return its GOSUB_RESULT."""
    await _run_sub(ari, callee, sub=sub)
    value = await ari.get_variable(callee, "GOSUB_RETVAL")
    result = await ari.get_variable(callee, "GOSUB_RESULT")
    if result and value:
        await ari.set_variable(caller, name="GOSUB_RETVAL", value=value)
    return result or ""


async def read(
    ari: AriClient, caller: str, command: opt.ReadLimitSounds | opt.FindExit
) -> ExitFound | LimitSoundsRead | None:
    """Read from the caller's channel what a command wants to know; return the event that says it."""
    match command:
        case opt.ReadLimitSounds():
            return sounds_of([await ari.get_variable(caller, name) for name in SOUND_VARIABLES])
        case opt.FindExit(digit):
            context = await ari.get_variable(caller, f"OFFLOAD_EXIT({digit})")
            return ExitFound(f"{context}^{digit}^1") if context else None


async def _run_sub(ari: AriClient, channel: str, *, sub: str, when: str = "") -> None:
    """Run a subroutine, as Gosub() would, on a channel in no bridge; return when it has returned.

    Our dialplan function does it, in the thread of the channel (asterisk-module/README.md).
    """
    with long_requests():
        await ari.set_variable(channel, name=f"OFFLOAD_SUB({when})", value=sub)


async def _until_idle(ari: AriClient, channel: str) -> None:
    """Wait until the thread of a channel has done all that was asked of it: it does one thing after the other."""
    with long_requests():
        await ari.set_variable(channel, name="OFFLOAD_", value=None)


async def _set_connected(
    ari: AriClient, channel: str, party: str, presentation: str | None, tag: str | None
) -> None:
    """Set whom a channel is called by; `i`: it is not dialled yet, nobody is to be told."""
    parts = {"all": party, "pres": presentation or "allowed_passed_screen", "tag": tag}
    for part, value in parts.items():
        if value is not None:
            await ari.set_variable(channel, name=f"CONNECTEDLINE({part},i)", value=value)


async def leave_to_dial(ari: AriClient, channel: str, reason: ReasonKind) -> None:
    """Continue a caller in the dialplan with the DIALSTATUS after which OffloadDial() runs Dial(), and say why."""
    await ari.set_variables(channel, {"OFFLOAD_REASON": reason, "OFFLOAD_STATUS": "relayed"})
    await leave(ari, channel, status=DialStatus.INVALIDARGS, cause=0)


async def leave(ari: AriClient, channel: str, *, status: DialStatus, cause: int, place: str = "") -> None:
    """Continue a caller in the dialplan, with DIALSTATUS and hang-up cause as Dial() sets them.

    At `place`, `[[context^]exten^]priority`, if it is given, or not at all if there is no such label. ARI cannot set the
    hang-up cause of a channel; our dialplan function can (asterisk-module/README.md).
    """
    causes = {"OFFLOAD_HANGUPCAUSE()": str(int(cause))} if cause else {}
    await ari.set_variables(channel, {"DIALSTATUS": status, **causes})
    if not place:
        await ari.continue_in_dialplan(channel)
        return
    here = [await ari.get_variable(channel, name) or "" for name in ("CONTEXT", "EXTEN", "PRIORITY")]
    try:
        await ari.continue_in_dialplan(channel, in_full(place, here))
    except RefusedError:  # there is no such place
        await ari.hang_up(channel, cause=cause)
