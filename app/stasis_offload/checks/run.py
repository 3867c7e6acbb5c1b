"""All checks at once, each on its own, so that the failure of one does not hide another."""

import asyncio
from collections.abc import Coroutine

import structlog

from stasis_offload.checks.asterisk_side import check_ari
from stasis_offload.checks.collector import check_collector
from stasis_offload.checks.command_line import check_command_line
from stasis_offload.checks.items import Item
from stasis_offload.checks.running import Running, judge_health
from stasis_offload.checks.switch import check_switch
from stasis_offload.config import Config

log = structlog.get_logger(__name__)

# Timeout of each check in seconds; they run concurrently.
_WITHIN = 10.0


async def run_checks(config: Config, running: Running) -> tuple[Item, ...]:
    """Run all checks; return what the running application says, then the items in order from Asterisk to the switches, and Homer's.

    One failure is one item: what cannot be known because of it is left out.
    """
    async with asyncio.TaskGroup() as tasks:
        started = [
            tasks.create_task(_in_time(check, name))
            for name, check in (
                ("ari", check_ari(config, running)),
                ("control socket", check_command_line(config, within=_WITHIN)),
                *(
                    (f"switch {name}".rstrip(), check_switch(config, running, name, settings))
                    for name, settings in config.switches
                ),
                ("homer", check_collector(config)),
            )
        ]
    return (*judge_health(running), *(item for task in started for item in task.result()))


async def _in_time(check: Coroutine[None, None, tuple[Item, ...]], name: str) -> tuple[Item, ...]:
    try:
        async with asyncio.timeout(_WITHIN):
            return await check
    except TimeoutError:
        text = f"no answer within {_WITHIN:.0f} s"
    except Exception as error:  # a defect in one check must not hide the others
        log.exception("check.defect", item=name)
        text = f"the check is at fault: {type(error).__name__}, see above"
    return (Item(name, ok=False, text=text),)
