"""Atomic, ordered bundles of changes (ONF EXT-230)."""

from stasis_offload.errors import OpenFlowError
from stasis_offload.openflow import encode
from stasis_offload.openflow.channel import Channel


class PartError(OpenFlowError):
    """The switch refused a part of a change and carried out the rest."""


async def commit(channel: Channel, bundle: int, staged: bytes) -> None:
    """Stage and commit an atomic bundle in one round trip.

    The commit has a transaction id of its own, so that a refused commit, after which nothing has changed, can be
    told from a refused part. The switch reports the cause under the staging's id, even if it finds it only at
    the commit.

    Raises:
        PartError: the switch refused a part at staging and committed the rest, as OVS does
            (handle_bundle_add and do_bundle_commit in ofproto/ofproto.c).
        OpenFlowError: the commit was refused, and nothing has changed.
        SwitchUnavailableError: as `Channel.send_and_confirm`.

    """
    xid = channel.new_xid()
    staging_error, commit_error = await channel.send_and_confirm_each(
        (bundle, staged), (xid, encode.commit_bundle(xid, bundle))
    )
    if commit_error is not None:
        raise staging_error or commit_error
    if staging_error is not None:
        raise PartError(str(staging_error)) from staging_error
