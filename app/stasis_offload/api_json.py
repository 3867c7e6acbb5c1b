"""Conversion of calls and health to the JSON of the HTTP interface, and of calls back."""

from collections.abc import Iterable
from dataclasses import fields

from stasis_offload.calls.views import Block, CallDetails, CallView, Health, MoveView, Stats
from stasis_offload.errors import OffloadError
from stasis_offload.media.quality import LegQuality
from stasis_offload.openflow.flow import FlowCount

_QUALITY = tuple(field.name for field in fields(LegQuality))


class BadAnswerError(OffloadError):
    """The response is not from this application, or from another version of it."""


def call_as_json(view: CallView) -> dict[str, object]:
    """Return a call as the object that `GET /calls` lists."""
    return {
        "call": view.call,
        "caller": view.caller,
        "callee": view.callee,
        "state": view.state,
        "reason": view.reason,
        "detail": view.detail,
        "age": round(view.age, 3),
        "state_age": round(view.state_age, 3),
        "switch": view.switch,
        "partial": view.partial,
        "packets": {"caller": view.from_caller.packets, "callee": view.from_callee.packets},
        "octets": {"caller": view.from_caller.octets, "callee": view.from_callee.octets},
        "strangers": {"caller": view.strangers_at_caller, "callee": view.strangers_at_callee},
        "quality": {
            "caller": _quality_as_json(view.caller_quality),
            "callee": _quality_as_json(view.callee_quality),
        },
    }


def details_as_json(details: CallDetails) -> dict[str, object]:
    """Return a call with its moves as the object that `GET /calls/ID` returns."""
    ended = details.ended_age
    return {
        **call_as_json(details.view),
        "ended_age": None if ended is None else round(ended, 3),
        "moves": [
            {"age": round(move.age, 3), "state": move.state, "reason": move.reason, "detail": move.detail}
            for move in details.moves
        ],
    }


def _quality_as_json(quality: LegQuality) -> dict[str, float | None]:
    return {
        name: None if value is None else round(value, 4)
        for name in _QUALITY
        for value in (getattr(quality, name),)
    }


def health_as_json(health: Health) -> dict[str, object]:
    """Return the health as the object that `GET /healthz` returns."""
    return {
        "ok": health.ok,
        "calls": health.calls,
        "blocked": health.blocked and {"age": round(health.blocked.age, 3), "by": health.blocked.by},
        "drained": health.drained,
        "passed_by": dict(health.passed_by),
        "problems": list(health.problems),
        "version": health.version,
        "module": health.module,
    }


def parse_health(document: object) -> Health:
    """Parse the object that `health_as_json` returns; raises as `parse_calls`."""
    match document:
        case {
            "calls": int(calls),
            "blocked": blocked,
            "drained": bool(drained),
            "passed_by": dict(passed_by),
            "problems": list(problems),
            "version": str(version),
            "module": str() | None as module,
        }:
            return Health(
                calls=calls,
                blocked=_parse_block(blocked),
                drained=drained,
                passed_by=_parse_counts(passed_by),
                problems=tuple(map(str, problems)),
                version=version,
                module=module,
            )
        case _:
            raise BadAnswerError("not the health as stasis-offload writes it")


def _parse_block(document: object) -> Block | None:
    match document:
        case None:
            return None
        case {"age": int() | float() as age, "by": str(by)}:
            return Block(age, by)
        case _:
            raise BadAnswerError("not the health as stasis-offload writes it: no `blocked`")


def _parse_counts(document: dict[object, object]) -> dict[str, int]:
    return {str(name): count for name, count in document.items() if isinstance(count, int)}


def stats_as_json(stats: Stats) -> dict[str, object]:
    """Return the figures of all calls as the object that `GET /stats` returns."""
    return {
        "age": round(stats.age, 3),
        "states": dict(stats.states),
        "calls": stats.calls,
        "carried": stats.carried,
        "talked": round(stats.talked, 3),
        "offloaded": round(stats.offloaded, 3),
        "packets": stats.packets,
        "asterisk_cpu": stats.asterisk_cpu,
    }


def parse_stats(document: object) -> Stats:
    """Parse the object that `stats_as_json` returns; raises as `parse_calls`."""
    match document:
        case {
            "age": int() | float() as age,
            "states": dict(states),
            "calls": int(calls),
            "carried": int(carried),
            "talked": int() | float() as talked,
            "offloaded": int() | float() as offloaded,
            "packets": int(packets),
            "asterisk_cpu": int() | float() | None as asterisk_cpu,
        }:
            return Stats(
                age=age,
                states=_parse_counts(states),
                calls=calls,
                carried=carried,
                talked=talked,
                offloaded=offloaded,
                packets=packets,
                asterisk_cpu=asterisk_cpu,
            )
        case _:
            raise BadAnswerError("not the figures as stasis-offload writes them")


def calls_as_json(views: Iterable[CallView]) -> dict[str, object]:
    """Return calls as the object that `GET /calls` returns."""
    return {"calls": [call_as_json(view) for view in views]}


def parse_calls(document: object) -> tuple[CallView, ...]:
    """Parse the object that `calls_as_json` returns.

    Raises:
        BadAnswerError: it is anything else.

    """
    match document:
        case {"calls": list(calls)}:
            return tuple(_parse_call(call) for call in calls)
        case _:
            raise BadAnswerError("not a list of calls as stasis-offload writes it")


def parse_details(document: object) -> CallDetails:
    """Parse the object that `details_as_json` returns; raises as `parse_calls`."""
    match document:
        case {"ended_age": int() | float() | None as ended, "moves": list(moves)}:
            return CallDetails(_parse_call(document), tuple(map(_parse_move, moves)), ended)
        case _:
            raise BadAnswerError("not a call and its moves as stasis-offload writes it")


def _parse_move(document: object) -> MoveView:
    match document:
        case {
            "age": int() | float() as age,
            "state": str(state),
            "reason": str() | None as reason,
            "detail": str() | None as detail,
        }:
            return MoveView(age, state, reason, detail)
        case _:
            raise BadAnswerError(f"not a move as stasis-offload writes it: {str(document)[:60]}")


def _parse_call(document: object) -> CallView:
    match document:
        case {
            "call": str(call),
            "caller": str(caller),
            "callee": str() | None as callee,
            "state": str(state),
            "reason": str() | None as reason,
            "detail": str() | None as detail,
            "age": int() | float() as age,
            "state_age": int() | float() as state_age,
            "switch": str() | None as switch,
            "partial": bool(partial),
            "packets": {"caller": int(caller_packets), "callee": int(callee_packets)},
            "octets": {"caller": int(caller_octets), "callee": int(callee_octets)},
            "strangers": {"caller": int(strangers_at_caller), "callee": int(strangers_at_callee)},
            "quality": {"caller": dict(caller_quality), "callee": dict(callee_quality)},
        }:
            return CallView(
                call=call,
                caller=caller,
                callee=callee,
                state=state,
                reason=reason,
                detail=detail,
                age=age,
                state_age=state_age,
                from_caller=FlowCount(packets=caller_packets, octets=caller_octets),
                from_callee=FlowCount(packets=callee_packets, octets=callee_octets),
                caller_quality=_parse_quality(caller_quality),
                callee_quality=_parse_quality(callee_quality),
                switch=switch,
                partial=partial,
                strangers_at_caller=strangers_at_caller,
                strangers_at_callee=strangers_at_callee,
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
