"""Carries out over ARI what a call needs whose callee forwards it (signalling/diversion.py)."""

from collections.abc import Callable

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.errors import AriError
from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.diversion import endpoint_of, is_exhausted
from stasis_offload.signalling.legs import Legs


async def check_forwards(ari: AriClient, caller: str) -> None:
    """Check that the caller may dial once more.

    Raises:
        AriError: it may not.

    """
    if is_exhausted(await ari.get_variable(caller, "CHANNEL(max_forwards)")):
        raise AriError("the call has been forwarded too often")


async def create_diverted(ari: AriClient, command: cmd.CreateDiverted, channel: Callable[[int], str]) -> None:
    """Create the channel to which a callee forwards, as Dial() does (app_dial.c, do_forward).

    A callee has FORWARD_CONTEXT of its own, from the caller, or it is global; of a caller in Stasis() itself the last two
    alone can be read in time.
    """
    caller = channel(CALLER)
    noted = await _context(ari, caller, channel(command.by))
    context = noted or await ari.get_variable(caller, "FORWARD_CONTEXT") or command.context
    endpoint = endpoint_of(command.to, context)
    await ari.create(
        channel(command.n),
        endpoint=endpoint,
        originator=caller,
        withholds=command.withholds,
        forwarded=True,
    )


async def set_diversion(ari: AriClient, command: cmd.SetDiversion, legs: Legs) -> None:
    """Set on a callee what the INVITE to it says of a diversion, as far as Dial() does (app_dial.c, do_forward)."""
    caller, by, channel = (legs.channel(leg) for leg in (CALLER, command.by, command.n))
    await ari.set_variable(channel, name="FORWARDERNAME", value=legs.name(command.by) or "")
    if await _context(ari, caller, by):
        await ari.set_variable(channel, name="OFFLOAD_FORWARD()", value=f"{caller},{by}")
        return
    number = command.number or await ari.get_variable(caller, "EXTEN") or ""
    # What a 302 without headers of its own means (res_pjsip_diversion.c, set_redirecting). `i`: the channel sends nothing.
    items = {"from-num": number, "to-num": command.to.rpartition("/")[2], "reason": "unknown", "count": "1"}
    for item, value in items.items():
        await ari.set_variable(channel, name=f"REDIRECTING({item},i)", value=value)


async def _context(ari: AriClient, caller: str, by: str) -> str | None:
    """Return the context in which a callee's channel said that a number is to be looked for, if our module noted it."""
    return await ari.get_variable(caller, f"OFFLOAD_FORWARD({by})")
