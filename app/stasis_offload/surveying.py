"""A survey of Asterisk's calls over some time. It needs the module res_rtpstreams alone, and changes nothing."""

import asyncio
from collections.abc import AsyncIterator
from math import ceil
from pathlib import Path

from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.media.survey import Survey


async def surveyed(control_socket: Path, *, duration: float, every: float) -> AsyncIterator[Survey]:
    """Look at all bridges now, each `every` s, and when `duration` s are over; yield the survey after each look.

    Raises:
        ModuleError: naming the socket and the cause.

    """
    loop = asyncio.get_running_loop()
    rtpstreams = RtpStreams(control_socket)
    began = last = loop.time()
    survey = Survey().seen(await rtpstreams.report_all(), seconds=0)
    yield survey
    for look in range(1, ceil(duration / every) + 1):
        await asyncio.sleep(max(0.0, began + min(look * every, duration) - loop.time()))
        reports, now = await rtpstreams.report_all(), loop.time()
        survey, last = survey.seen(reports, seconds=now - last), now
        yield survey
