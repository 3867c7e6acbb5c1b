"""What an operator sees of the application and may ask of it; its JSON is read back as strictly as written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from stasis_offload.errors import OffloadError
from stasis_offload.flows import Count
from stasis_offload.quality import LegQuality

_QUALITY = tuple(field.name for field in fields(LegQuality))


class UnknownCallError(OffloadError):
    """There is no call of that id, or no longer."""


class BadAnswerError(OffloadError):
    """What answered is not this application, or is another version of it."""


@dataclass(frozen=True, slots=True)
class CallView:
    """One call as it is now.

    `caller` and `callee` are channel names (`callee` None until there is one). `state` is one word: `dialing`,
    or what its media placement is (`relayed`, `learning`, `offloaded`); `reason` says why it is not offloaded.
    `age` is the seconds since the call entered the application, `state_age` since it entered its state.
    `from_caller` and `from_callee` are what the switch forwarded of each leg's packets over the whole call, as
    far as its counters could be read; `caller_quality` and `callee_quality` are how each leg heard it.
    """

    call: str
    caller: str
    callee: str | None
    state: str
    reason: str | None
    age: float
    state_age: float
    from_caller: Count
    from_callee: Count
    caller_quality: LegQuality
    callee_quality: LegQuality


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the application can do its work; each problem is one sentence, none means it can.

    `held` tells that calls, new ones too, stay relayed by the operator's word (`relay --all`).
    """

    calls: int
    held: bool
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class Operations(Protocol):
    """What the running application lets an operator do."""

    async def calls(self) -> Sequence[CallView]:
        """Return every call, oldest first, with the switch's counters of this moment."""
        ...

    def health(self) -> Health:
        """Return what is wrong at this moment, without waiting for anything."""
        ...

    async def relay(self, call: str | None) -> int:
        """Put a call's media back through Asterisk and hold it there; None is all calls, new ones too.

        Returns:
            how many calls were meant (1 for one call).

        Raises:
            UnknownCallError: there is no such call.
            OffloadError: it could not be done; the text says what is left to do.

        """
        ...

    async def offload(self, call: str | None) -> int:
        """End what `relay` holds; the call is offloaded as soon as nothing else speaks against it.

        Returns and raises as `relay` does.
        """
        ...


def call_as_json(view: CallView) -> dict[str, object]:
    """Write a call as the object that `GET /calls` lists."""
    return {
        "call": view.call,
        "caller": view.caller,
        "callee": view.callee,
        "state": view.state,
        "reason": view.reason,
        "age": round(view.age, 3),
        "state_age": round(view.state_age, 3),
        "packets": {"caller": view.from_caller.packets, "callee": view.from_callee.packets},
        "octets": {"caller": view.from_caller.octets, "callee": view.from_callee.octets},
        "quality": {
            "caller": _quality_as_json(view.caller_quality),
            "callee": _quality_as_json(view.callee_quality),
        },
    }


def _quality_as_json(quality: LegQuality) -> dict[str, float | None]:
    return {
        name: None if value is None else round(value, 4)
        for name in _QUALITY
        for value in (getattr(quality, name),)
    }


def health_as_json(health: Health) -> dict[str, object]:
    """Write the health as the object that `GET /healthz` answers."""
    return {"ok": health.ok, "calls": health.calls, "held": health.held, "problems": list(health.problems)}


def calls_as_json(views: Iterable[CallView]) -> dict[str, object]:
    """Write calls as the object that `GET /calls` answers."""
    return {"calls": [call_as_json(view) for view in views]}


def parse_calls(document: object) -> tuple[CallView, ...]:
    """Read back what `calls_as_json` wrote.

    Raises:
        BadAnswerError: it is something else.

    """
    match document:
        case {"calls": list(calls)}:
            return tuple(_parse_call(call) for call in calls)
        case _:
            raise BadAnswerError("not a list of calls as stasis-offload writes it")


def _parse_call(document: object) -> CallView:
    match document:
        case {
            "call": str(call),
            "caller": str(caller),
            "callee": str() | None as callee,
            "state": str(state),
            "reason": str() | None as reason,
            "age": int() | float() as age,
            "state_age": int() | float() as state_age,
            "packets": {"caller": int(caller_packets), "callee": int(callee_packets)},
            "octets": {"caller": int(caller_octets), "callee": int(callee_octets)},
            "quality": {"caller": dict(caller_quality), "callee": dict(callee_quality)},
        }:
            return CallView(
                call=call,
                caller=caller,
                callee=callee,
                state=state,
                reason=reason,
                age=age,
                state_age=state_age,
                from_caller=Count(packets=caller_packets, octets=caller_octets),
                from_callee=Count(packets=callee_packets, octets=callee_octets),
                caller_quality=_parse_quality(caller_quality),
                callee_quality=_parse_quality(callee_quality),
            )
        case _:
            raise BadAnswerError(f"not a call as stasis-offload writes it: {str(document)[:60]}")


def _parse_quality(document: dict[object, object]) -> LegQuality:
    values = {}
    for name in _QUALITY:
        match document.get(name, ...):
            case None | int() | float() as value:
                values[name] = value
            case _:
                raise BadAnswerError(f"not the quality of a call as stasis-offload writes it: no {name!r}")
    return LegQuality(**values)
