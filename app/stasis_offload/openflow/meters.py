"""The meters of one connection. A number is ours only between an accepted ADD and our DELETE.

A meter has no cookie. The application uses the last numbers of the switch's range, where other people's are
unlikely, and only meters that it has added itself (an ADD of one that exists is refused).
"""

from stasis_offload.errors import OpenFlowError
from stasis_offload.openflow import decode, encode
from stasis_offload.openflow.channel import Channel
from stasis_offload.openflow.decode import MessageKind, Meter

SHARE = 1 << 16  # how many of the last numbers the application may use


class Meters:
    """Allocates meter numbers, the last first; `most` is how many meters the switch can have, 0 for none."""

    def __init__(self, channel: Channel, *, most: int) -> None:
        self._channel = channel
        self._numbers = range(most, max(most - SHARE, 0), -1)
        self._foreign: frozenset[int] = frozenset()
        self._untried = (number for number in self._numbers if number not in self._foreign)
        self._freed: list[int] = []

    async def sweep(self) -> None:
        """Remove the meters that an earlier process left, once its flows are gone; raises as `Channel.request`.

        These are the meters among our numbers that are configured exactly like ours and that no flow uses: without
        a cookie there is no better proof. Removing a meter removes the flows that use it (6.5), so even a mistake
        here would not affect anybody's flow.
        """
        if not self._numbers:
            return
        xid = self._channel.new_xid()
        configs = await self._channel.request(
            xid, encode.meter_configs_request(xid), MessageKind.MULTIPART_REPLY
        )
        meters = tuple(decode.parse_meter_configs(configs))
        swept: frozenset[int] = frozenset()
        if any(self._is_like_ours(meter) for meter in meters):
            xid = self._channel.new_xid()
            stats = await self._channel.request(
                xid, encode.meter_stats_request(xid), MessageKind.MULTIPART_REPLY
            )
            unused = {meter for meter, flows in decode.parse_meter_users(stats) if flows == 0}
            swept = frozenset(
                meter.number for meter in meters if self._is_like_ours(meter) and meter.number in unused
            )
            xid = self._channel.new_xid()
            await self._channel.send_and_confirm(
                xid, b"".join(encode.remove_meter(xid, meter) for meter in swept)
            )
        self._foreign = frozenset(meter.number for meter in meters) - swept

    async def add(self, rate: int) -> int:
        """Add a meter of `rate` packets per second, and return its number.

        Raises:
            OpenFlowError: the switch has no meters, none is free, or it refused.
            SwitchUnavailableError: as `Channel.send_and_confirm`.

        """
        if not self._numbers:
            raise OpenFlowError("the switch has no meters, which a flow with a limit needs")
        meter = self._freed.pop() if self._freed else next(self._untried, None)
        if meter is None:
            raise OpenFlowError(f"all {len(self._numbers)} meters that we may use are in use")
        xid = self._channel.new_xid()
        # If this fails, the number is not used again: another program may have it, or the outcome is unknown.
        await self._channel.send_and_confirm(xid, encode.add_meter(xid, meter, rate=rate))
        return meter

    def remove(self, meter: int) -> None:
        """Remove a meter that `add` returned, after the flow that used it; raises as `Channel.send`."""
        self._channel.send(encode.remove_meter(self._channel.new_xid(), meter))
        self._freed.append(meter)

    def _is_like_ours(self, meter: Meter) -> bool:
        match meter:
            case Meter(number, encode.METER_FLAGS, ((encode.METER_BAND, rate, burst),)):
                return number in self._numbers and rate == burst
        return False
