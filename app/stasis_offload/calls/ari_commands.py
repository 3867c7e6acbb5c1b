"""Carries out over ARI the commands of the signalling machine that concern Asterisk alone."""

from collections.abc import Callable
from typing import assert_never

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.causes import DialStatus


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
            await ari.set_variable(channel(CALLER), name=name, value=str(ms // 1000))
            await ari.set_variable(channel(CALLER), name=f"{name}_MS", value=str(ms))
        case cmd.LeavePickupGroups():
            for groups in ("callgroup", "namedcallgroup"):
                await ari.set_variable(channel(CALLER), name=f"CHANNEL({groups})", value="")
        case cmd.CreateBridge():
            await ari.make_bridge(bridge)
        case cmd.Create(n, endpoint):
            await ari.create(channel(n), endpoint=endpoint, originator=channel(CALLER))
        case cmd.Join(n):
            await ari.join(bridge=bridge, channel=channel(CALLER))
            await ari.join(bridge=bridge, channel=channel(n))
        case cmd.Dial(n):
            await ari.dial(channel=channel(n), caller=channel(CALLER))
        case cmd.Ring():
            await ari.ring(channel(CALLER))
        case cmd.StopRing():
            await ari.stop_ring(channel(CALLER))
        case cmd.Progress():
            await ari.progress(channel(CALLER))
        case cmd.StartMusic(music):
            await ari.start_music(channel(CALLER), music=music)
        case cmd.StopMusic():
            await ari.stop_music(channel(CALLER))
        case cmd.SetTimeLimit(n, seconds):
            await ari.set_variable(channel(n), name="TIMEOUT(absolute)", value=f"{seconds:.3f}")
        case cmd.Answer():
            await ari.answer(channel(CALLER))
        case cmd.HangUp(n, cause):
            await ari.hang_up(channel(n), cause=cause)
        case cmd.HangUpCaller(cause):
            await ari.hang_up(channel(CALLER), cause=cause)
        case cmd.Release(n, cause):
            await ari.release(channel(n), cause=cause)
        case cmd.ReleaseCaller(cause):
            await ari.release(channel(CALLER), cause=cause)
        case cmd.ContinueInDialplan(status, cause):
            if not cause:
                await _part_without_cause(ari, channel(CALLER), bridge=bridge)
            await leave(ari, channel(CALLER), status=status, cause=cause)
        case cmd.DestroyBridge():
            await ari.destroy_bridge(bridge)
        case cmd.StartMedia() | cmd.ReturnMedia() | cmd.EndMedia() | cmd.HangUpReplaced():
            raise TypeError(f"the call carries out {command}")
        case _:
            assert_never(command)


async def set_peer(ari: AriClient, channel: str, *, name: str, target: str) -> None:
    """Set who answered on the caller: the name of the callee's channel, and its target without the technology."""
    await ari.set_variable(channel, name="DIALEDPEERNAME", value=name)
    await ari.set_variable(channel, name="DIALEDPEERNUMBER", value=target.partition("/")[2])


async def _part_without_cause(ari: AriClient, channel: str, *, bridge: str) -> None:
    """Take a channel out of the bridge and keep its hang-up cause, none as a rule.

    A bridge gives one to whoever leaves it without (bridge_channel.c, channel_set_cause); Dial() does not.
    """
    cause = await ari.get_variable(channel, "HANGUPCAUSE")
    await ari.part(bridge=bridge, channel=channel)
    await ari.set_variable(channel, name="OFFLOAD_HANGUPCAUSE()", value=cause or "0")


async def leave(ari: AriClient, channel: str, *, status: DialStatus, cause: int) -> None:
    """Continue a caller in the dialplan, with DIALSTATUS and hang-up cause as Dial() sets them.

    ARI cannot set the hang-up cause of a channel; our dialplan function can (asterisk-module/README.md).
    """
    await ari.set_variable(channel, name="DIALSTATUS", value=status)
    if cause:
        await ari.set_variable(channel, name="OFFLOAD_HANGUPCAUSE()", value=str(int(cause)))
    await ari.continue_in_dialplan(channel)
