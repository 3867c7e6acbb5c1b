"""What ARI shows of Asterisk: the user's rights, the modules, the endpoints, whether the application is registered."""

import asyncio

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.ari_http import NOT_FOUND, RefusedError
from stasis_offload.checks.endpoints import judge_endpoints
from stasis_offload.checks.items import Item
from stasis_offload.checks.modules import ASKED_BY, NEEDED, judge_modules, load_command
from stasis_offload.checks.running import Running, judge_application
from stasis_offload.config import Config
from stasis_offload.errors import AriError

# What Asterisk should allow for an event's way to the application, and what it means if it does not.
_WRITE_WITHIN_MS = 1000
_WRITE_TIMEOUT = "a burst of events can end the websocket: set websocket_write_timeout = 10000 in ari.conf, [general], then"
_RELOAD = "asterisk -rx 'module reload res_ari.so'"
# More endpoints are not looked at: each costs a request.
_ENDPOINTS = 500
_AT_A_TIME = 16
_UNAUTHORIZED, _FORBIDDEN = 401, 403


async def check_ari(config: Config, running: Running) -> tuple[Item, ...]:
    """Return what ARI shows; if it does not answer, that alone."""
    ari = AriClient(
        url=config.ari.url,
        username=config.ari.username,
        password=config.ari.password.get_secret_value(),
        app=config.app,
        on_event=lambda _: None,
    )
    try:
        async with ari.requests():
            version = await ari.info()
            items = [await _reached(ari, config, version)]
            modules = await ari.modules()
            items += judge_modules(modules)
            items.append(await _check_write_access(ari, config))
            if "res_ari_applications" in modules:
                items += judge_application(config.app, running, registered=await ari.application())
            items += await _check_endpoints(ari, modules)
            return tuple(items)
    except AriError as error:
        return (_failed(config, error),)


def _failed(config: Config, error: AriError) -> Item:
    status = error.status if isinstance(error, RefusedError) else None
    if status == NOT_FOUND and "/asterisk/" in str(error):
        text = f"not loaded: {NEEDED[ASKED_BY]}"
        return Item(ASKED_BY, ok=False, text=text, command=load_command(ASKED_BY))
    text = f"{config.ari.url}: {error}; "
    if status == _UNAUTHORIZED:
        text += (
            f"in ari.conf, section [{config.ari.username}], user and password must be those of [ari]; then"
        )
        return Item("ari", ok=False, text=text, command=_RELOAD)
    text += "compare [ari] with http.conf (enabled, bindaddr) and ari.conf (the user's section)"
    return Item("ari", ok=False, text=text, command="asterisk -rx 'http show status'")


async def _reached(ari: AriClient, config: Config, version: str) -> Item:
    text = f"Asterisk {version} at {config.ari.url}"
    if (await ari.write_timeout_ms() or _WRITE_WITHIN_MS) < _WRITE_WITHIN_MS:
        return Item("ari", ok=True, text=f"{text}; {_WRITE_TIMEOUT}", command=_RELOAD)
    return Item("ari", ok=True, text=text)


async def _check_write_access(ari: AriClient, config: Config) -> Item:
    """Ask for the end of a bridge that nobody has: of a user with read_only Asterisk refuses it unseen (res_ari.c)."""
    try:
        await ari.destroy_bridge(f"{config.app}-check")
    except RefusedError as error:
        if error.status != _FORBIDDEN:
            raise
        text = (
            f"the user may only read: set read_only = no in ari.conf, section [{config.ari.username}], then"
        )
        return Item("ari user", ok=False, text=text, command=_RELOAD)
    return Item("ari user", ok=True, text=f"{config.ari.username} may do what the application does")


async def _check_endpoints(ari: AriClient, modules: dict[str, str]) -> tuple[Item, ...]:
    if "chan_pjsip" not in modules:
        return (
            Item(
                "endpoints",
                ok=True,
                text="chan_pjsip is not loaded: there are none whose calls can be offloaded",
            ),
        )
    if "res_ari_endpoints" not in modules:
        text = "not looked at, for which res_ari_endpoints is needed"
        return (Item("endpoints", ok=True, text=text, command=load_command("res_ari_endpoints")),)
    names = await ari.endpoints("PJSIP")
    looked = names[:_ENDPOINTS]
    turns = asyncio.Semaphore(_AT_A_TIME)

    async def attributes(name: str) -> dict[str, str]:
        async with turns:
            return await ari.settings("res_pjsip", "endpoint", name)

    found = dict(zip(looked, await asyncio.gather(*map(attributes, looked)), strict=True))
    return (judge_endpoints(found, left_out=len(names) - len(looked)),)
