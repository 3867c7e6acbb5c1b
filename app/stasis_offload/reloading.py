"""Reads the configuration again while the application runs: what may change then does, of the rest it says that it waits."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

import structlog

from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.hep_sender import Collector
from stasis_offload.calls.rule_change import RuleChange
from stasis_offload.calls.supervisor import Supervisor
from stasis_offload.config import SECTIONS, Config
from stasis_offload.config_sections import HepSettings, MediaSettings, RuleSettings
from stasis_offload.errors import ConfigError
from stasis_offload.http_api import CommandToken
from stasis_offload.log import set_level
from stasis_offload.media.exclusion import Rule
from stasis_offload.media.state import Tuning
from stasis_offload.packets.hep import Agent

# What every call, or the next call, request, line of the log, report to Homer or connection to ARI has as it is then; of the
# other keys a restart.
_LIVE = ("media", "policy", "log", "hep")
_LIVE_KEYS = {"ari": ("username", "password", "password_file"), "http": ("token_file",)}


def tuning_of(media: MediaSettings) -> Tuning:
    """Return the tuning that the section [media] describes."""
    return Tuning(
        verify_within=media.verify_within,
        recheck=media.recheck,
        idle_timeout=media.idle_timeout,
        returns_per_minute=media.returns_per_minute,
        flap_wait=media.flap_wait,
        grace=media.grace,
        forward_rtcp=media.rtcp == "forward",
    )


def collector_of(hep: HepSettings) -> Collector | None:
    """Return the collector that the section [hep] describes; None if it names none."""
    if hep.capture_address is None:
        return None
    host, port = hep.capture_address
    agent = Agent(
        capture_id=hep.capture_id,
        name=hep.capture_name,
        password=hep.capture_password.get_secret_value(),
        by_channel=hep.uuid_type == "channel",
    )
    return Collector(host, port, agent, rtcp=hep.rtcp)


def rules_of(policy: Sequence[RuleSettings]) -> tuple[Rule, ...]:
    """Return the rules that the sections [[policy]] describe."""
    return tuple(
        Rule(number, rule.offload, endpoint=rule.endpoint, context=rule.context)
        for number, rule in enumerate(policy, start=1)
    )


def apply(
    config: Config,
    *,
    gateways: Gateways,
    supervisor: Supervisor,
    rules: RuleChange,
    token: CommandToken,
    hide: Callable[[str], None],
) -> None:
    """Put in force what may change; `hide` keeps one more secret out of the log."""
    password = config.ari.password.get_secret_value()
    for secret in (password, config.hep.capture_password.get_secret_value(), config.http.token):
        if secret:
            hide(secret)
    gateways.ari.use(username=config.ari.username, password=password)
    token.value = config.http.token
    supervisor.tuning = tuning_of(config.media)
    gateways.hep.use(collector_of(config.hep))
    rules.change(rules_of(config.policy))
    set_level(config.log.level)


class Reloader:
    """Reads the configuration again on request.

    `load` reads all of it, `apply` puts in force what may change. A wrong configuration changes nothing; what is wrong is in
    `problems` until it is right.
    """

    def __init__(
        self,
        config: Config,
        *,
        load: Callable[[], Config],
        apply: Callable[[Config], None],
        problems: dict[str, str],
    ) -> None:
        self._config = config
        self._load = load
        self._apply = apply
        self._problems = problems
        self._requested = asyncio.Event()
        self._log = structlog.get_logger(__name__)

    def request(self) -> None:
        """Have it read as soon as possible."""
        self._requested.set()

    async def run(self, *, begins: Callable[[], None], ends: Callable[[], None]) -> NoReturn:
        """Read it after each request."""
        while True:
            await self._requested.wait()
            self._requested.clear()
            begins()
            try:
                await self.reload()
            finally:
                ends()

    async def reload(self) -> None:
        """Read it now, in another thread: files may be slow."""
        try:
            read = await asyncio.to_thread(self._load)
        except ConfigError as error:
            self._log.error("config.rejected", error=str(error))
            mistakes = " ".join(str(error).split())
            self._problems["configuration"] = (
                f"the one in force is older, and a restart would fail: {mistakes}"
            )
            return
        self._problems.pop("configuration", None)
        changed = _changed(self._config, read)
        live = {key for key in changed if _is_live(key)}
        self._config = _with_live(self._config, read)
        self._apply(self._config)
        self._log.info("config.reloaded", changed=sorted(live))
        if changed != live:
            self._log.warning("config.restart_needed", keys=sorted(changed - live))


def _changed(before: Config, after: Config) -> set[str]:
    """Return the keys, as `section.key`, that two configurations have other values of."""
    was, now = dict(_values(before)), dict(_values(after))
    return {key for key in was.keys() | now.keys() if was.get(key) != now.get(key)}


def _values(config: Config) -> Iterator[tuple[str, object]]:
    for name, value in config:
        if name in SECTIONS and value is not None:
            yield from ((f"{name}.{key}", inner) for key, inner in value)
        else:
            yield name, value


def _is_live(key: str) -> bool:
    section, _, inner = key.partition(".")
    return section in _LIVE or inner in _LIVE_KEYS.get(section, ())


def _with_live(config: Config, read: Config) -> Config:
    """Return a configuration with what may change as it has been read."""
    parts = {
        section: getattr(config, section).model_copy(
            update={key: getattr(getattr(read, section), key) for key in keys}
        )
        for section, keys in _LIVE_KEYS.items()
    }
    return config.model_copy(update=parts | {name: getattr(read, name) for name in _LIVE})
