"""Carries out over ARI what a call needs whose callee forwards it (signalling/diversion.py)."""

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


async def create_diverted(ari: AriClient, channel: str, command: cmd.CreateDiverted, *, caller: str) -> None:
    """Create the channel to which a callee forwards, as Dial() does (app_dial.c, do_forward).

    A callee has FORWARD_CONTEXT from the caller, or it is global; from the caller alone it can be read in time.
    """
    own = await ari.get_variable(caller, "FORWARD_CONTEXT")
    endpoint = endpoint_of(command.to, own or command.context)
    await ari.create(channel, endpoint=endpoint, originator=caller, withholds=command.withholds)


async def set_diversion(ari: AriClient, command: cmd.SetDiversion, legs: Legs) -> None:
    """Set on a callee what the INVITE to it says of a diversion, as far as Dial() does (app_dial.c, do_forward)."""
    channel = legs.channel(command.n)
    await ari.set_variable(channel, name="FORWARDERNAME", value=legs.name(command.by) or "")
    number = command.number or await ari.get_variable(legs.channel(CALLER), "EXTEN") or ""
    # What a 302 without headers of its own means (res_pjsip_diversion.c, set_redirecting). `i`: the channel sends nothing.
    items = {"from-num": number, "to-num": command.to.rpartition("/")[2], "reason": "unknown", "count": "1"}
    for item, value in items.items():
        await ari.set_variable(channel, name=f"REDIRECTING({item},i)", value=value)
