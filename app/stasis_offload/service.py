"""Composition root: builds the application, runs it until a signal, and returns all media to Asterisk."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import NoReturn

import structlog

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.ari_events import AriUp
from stasis_offload.asterisk.ari_events import Event as AriEvent
from stasis_offload.asterisk.process_time import ProcessTime
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.calls.ari_watch import AriWatch
from stasis_offload.calls.background import Background
from stasis_offload.calls.dispatcher import Dispatcher
from stasis_offload.calls.exclusion import RulesInForce
from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.hep_sender import HepSender
from stasis_offload.calls.module_watch import ModuleWatch
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.calls.operations import Operations
from stasis_offload.calls.passed_by import PassedBy
from stasis_offload.calls.recovery import Recovery
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.rule_change import RuleChange
from stasis_offload.calls.supervisor import Supervisor
from stasis_offload.calls.transfers import Transfers
from stasis_offload.checks.switch import check_connected
from stasis_offload.config import Config
from stasis_offload.errors import OpenFlowError
from stasis_offload.http_api import CommandToken, serve
from stasis_offload.identity import application_number
from stasis_offload.metrics import Metrics
from stasis_offload.openflow.events import Event as SwitchEvent
from stasis_offload.openflow.switch import Switch
from stasis_offload.reloading import Reloader, apply, collector_of, rules_of, tuning_of
from stasis_offload.service_manager import ServiceManager
from stasis_offload.signalling.call_ids import CallIds

log = structlog.get_logger(__name__)

# Seconds in which a stop returns the media of every call; after that the idle timeouts of the flows do it.
STOP_WITHIN = 5.0
_VERSION = version("stasis-offload")
_OBJECTS_BETWEEN_COLLECTIONS = 20_000


class _StoppedError(Exception):
    """SIGTERM or SIGINT arrived."""


def collect_seldom() -> None:
    """Have the garbage collector look at what lives less often, and never again at what lives now.

    Nearly all garbage of ours is freed without it. By its usual threshold (700 objects) it walked through every object of
    1,000 calls that go on each few seconds, which was more than half of the processor time, and held up the loop for 0.4 s.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


async def run(config: Config, *, load: Callable[[], Config], hide: Callable[[str], None]) -> None:
    """Run the calls of one Asterisk until SIGTERM or SIGINT; `load` the configuration again on SIGHUP.

    `hide` keeps one more secret out of the log.

    Raises:
        OffloadError: the application cannot continue; the text says why.

    """
    collect_seldom()
    log.info("run.started", version=_VERSION, app=config.app)
    manager = ServiceManager(os.environ)

    def on_switch(number: int, event: SwitchEvent) -> None:
        dispatcher.on_switch(number, event)

    def on_ari(event: AriEvent) -> None:
        if isinstance(event, AriUp):
            recovery.begin()
        if not recovery.holds(event):
            dispatcher.on_ari(event)
        if isinstance(event, AriUp):
            manager.ready()

    async with asyncio.TaskGroup() as outer:
        switches = _switches(config, on_switch)
        ari = AriClient(
            url=config.ari.url,
            username=config.ari.username,
            password=config.ari.password.get_secret_value(),
            app=config.app,
            on_event=on_ari,
        )
        ids = CallIds(config.app)
        rtpstreams = RtpStreams(config.asterisk.control_socket)
        gateways = Gateways(
            ari=ari,
            switches=switches,
            rtpstreams=rtpstreams,
            ids=ids,
            hep=HepSender(collector_of(config.hep)),
            rules=RulesInForce(rules_of(config.policy)),
        )
        process_time = ProcessTime(config.asterisk.control_socket)
        registry = Registry(ids)
        try:
            async with asyncio.TaskGroup() as tasks:
                background = Background(tasks)
                gate = OffloadGate(registry, background=background)
                transfers = Transfers(registry, gateways=gateways, background=background)
                supervisor = Supervisor(
                    registry,
                    gateways=gateways,
                    tuning=tuning_of(config.media),
                    gate=gate,
                    transfers=transfers,
                    background=background,
                )
                dispatcher = Dispatcher(
                    registry, switches=switches, supervisor=supervisor, transfers=transfers, gate=gate
                )
                recovery = Recovery(
                    registry,
                    supervisor=supervisor,
                    transfers=transfers,
                    ari=ari,
                    on_event=dispatcher.on_ari,
                )
                passed_by = PassedBy(ari=ari, statistics=gateways.statistics)
                token = CommandToken(config.http.token)
                reloader = Reloader(
                    config,
                    load=load,
                    apply=partial(
                        apply,
                        gateways=gateways,
                        supervisor=supervisor,
                        rules=RuleChange(gateways.rules, registry=registry, background=background),
                        token=token,
                        hide=hide,
                    ),
                    problems=gate.problems,
                )
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.request)
                module = ModuleWatch(rtpstreams=rtpstreams, gate=gate)
                operations = Operations(
                    registry,
                    gate=gate,
                    gateways=gateways,
                    module=module,
                    process_time=process_time,
                    version=_VERSION,
                )
                switching = [outer.create_task(switch.run()) for switch in switches]
                async with serve(
                    config.http,
                    operations,
                    Metrics(
                        registry, gateways=gateways, gate=gate, node=operations.node, version=_VERSION
                    ).answer,
                    token=token,
                    asterisk_cpu=process_time.share,
                    look_at_switch=partial(check_connected, config, switches),
                ) as places:
                    log.info("http.up", places=places)
                    for work in (
                        ari.run(),
                        recovery.run(),
                        passed_by.run(),
                        AriWatch(ari=ari, gate=gate).run(),
                        operations.node.run(),
                        module.run(),
                        gateways.hep.run(),
                        manager.run(operations.describe),
                        reloader.run(begins=manager.reloading, ends=manager.reloaded),
                    ):
                        tasks.create_task(work)
                    await _serve_until_stopped(operations, manager)
        except* _StoppedError:
            log.info("run.stopped", calls=len(registry))
        finally:
            if not dispatcher.replaced:  # otherwise the flows may already be the other program's
                await asyncio.gather(*map(_sweep, switches))
            for task in switching:
                task.cancel()


def _switches(config: Config, on_event: Callable[[int, SwitchEvent], None]) -> tuple[Switch, ...]:
    """Return the switches, in the operator's order, each of which tells its events with its number."""
    switches = []
    for number, (name, settings) in enumerate(config.switches):
        switch = Switch(
            settings.connection,
            partial(on_event, number),
            datapath_id=settings.datapath_id,
            instance=settings.instance,
            application=application_number(config, switch=name),
        )
        switch.name, switch.adds_table_miss = name, settings.table_miss == "normal"
        switches.append(switch)
    return tuple(switches)


async def _sweep(switch: Switch) -> None:
    try:
        await switch.sweep()
    except OpenFlowError as error:
        log.warning("flows.not_swept", **switch.named, error=str(error))


async def _serve_until_stopped(operations: Operations, manager: ServiceManager) -> NoReturn:
    """Wait for a signal, return the media of every call to Asterisk, and raise _StoppedError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)  # a second signal ends the process at once
    manager.stopping()
    try:
        async with asyncio.timeout(STOP_WITHIN):
            await operations.stop()
    except TimeoutError:
        log.error("stop.incomplete", within=STOP_WITHIN)  # noqa: TRY400 - that it took too long is all
    raise _StoppedError
