"""Messages as lines: one JSON object each, in UTF-8.

What comes in is one of the messages of ``protocol`` with every value in range, or a
``ProtocolError``, and goes no further.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.service.protocol import (
    ERROR_CODES,
    LONGEST_EVENT,
    LONGEST_REQUEST,
    NO_REQUEST,
    Answer,
    Cancel,
    DeviceInfo,
    Event,
    Failure,
    Hello,
    Load,
    Options,
    Progress,
    ProtocolError,
    Refine,
    Request,
    Segment,
    Shutdown,
)

_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

_REQUESTS: Mapping[str, type] = {
    "load": Load,
    "segment": Segment,
    "refine": Refine,
    "cancel": Cancel,
    "shutdown": Shutdown,
}
_EVENTS: Mapping[str, type] = {
    "hello": Hello,
    "progress": Progress,
    "result": Answer,
    "error": Failure,
}


def encode(message: Request | Event) -> bytes:
    """One line, newline included; ASCII only, which is UTF-8 whatever stands in between.

    Raises:
        ValueError: a number is not finite.
    """
    for kind, names in (("request", _REQUESTS), ("event", _EVENTS)):
        for name, cls in names.items():
            if isinstance(message, cls):
                tree = {"id": message.id, kind: name}
                tree |= {f.name: _plain(getattr(message, f.name)) for f in fields(message)}
                return json.dumps(tree, allow_nan=False).encode("ascii") + b"\n"
    raise TypeError(f"{type(message).__name__} is no message")


def decode_request(line: bytes) -> Request:
    """What a line from the panel asks for.

    Raises:
        ProtocolError: it is no request, or a value in it is out of range.
    """
    if len(line) > LONGEST_REQUEST:
        raise ProtocolError("A request is too long.")
    return _decode(line, "request", _REQUESTS)


def decode_event(line: bytes) -> Event:
    """What a line from the worker tells.

    Raises:
        ProtocolError: it is no event, or a value in it is out of range.
    """
    if len(line) > LONGEST_EVENT:
        raise ProtocolError("An event is too long.")
    return _decode(line, "event", _EVENTS)


def id_of(line: bytes) -> int:
    """The ``id`` in a line that may be damaged otherwise; ``NO_REQUEST`` where there is none."""
    try:
        return _id(_parse(line))
    except ProtocolError:
        return NO_REQUEST


def is_word(text: str) -> bool:
    """Whether a name is plain enough to be a file's on every system, and stays in its folder."""
    return _WORD.fullmatch(text) is not None


def _plain(value: Any) -> Any:
    if isinstance(value, (DeviceInfo, Options, Grid)):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return value


def _decode(line: bytes, kind: str, names: Mapping[str, type]) -> Any:
    tree = _parse(line)
    name = tree.get(kind)
    if not isinstance(name, str) or name not in names:
        raise ProtocolError(f"A message has the unknown {kind} {name!r:.40}.")
    cls = names[name]
    number = _id(tree)
    if kind == "request" and number == NO_REQUEST:
        raise ProtocolError("A request needs an id above 0.")
    given: dict[str, Any] = {"id": number}
    for field in fields(cls):
        if field.name == "id":
            continue
        check = _CHECKS[field.name]
        if field.name not in tree:
            raise ProtocolError(f"The {kind} {name} lacks {field.name!r}.")
        try:
            given[field.name] = check(tree[field.name])
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise ProtocolError(f"The {kind} {name} has an unfit value of {field.name!r}.") from (
                error
            )
    return cls(**given)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(line.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("A message is not a JSON object in UTF-8.") from error
    if not isinstance(tree, dict):
        raise ProtocolError("A message is not a JSON object.")
    return tree


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _id(tree: Mapping[str, Any]) -> int:
    try:
        return _whole(tree.get("id"), most=1 << 53)
    except ValueError as error:
        raise ProtocolError("A message has no proper id.") from error


def _whole(value: Any, most: int = 1 << 31) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(value)
    return value


def _number(value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(value)
    value = float(value)
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def _word(value: Any) -> str:
    if not is_word(_text(value)):
        raise ValueError(value)
    return str(value)


def _code(value: Any) -> str:
    if value not in ERROR_CODES:
        raise ValueError(value)
    return str(value)


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(value)
    return value


def _numbers(value: Any, count: int, low: float = -math.inf) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(value)
    return tuple(_number(v, low) for v in value)


def _grid(value: Any) -> Grid:
    value = _table(value)
    shape = tuple(_whole(v) for v in value["shape"])
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(shape)
    d, h, w = _numbers(value["spacing_mm"], 3)
    if min(d, h, w) <= 0:
        raise ValueError(value)
    x, y, z = _numbers(value["origin"], 3)
    return Grid(shape, (d, h, w), (x, y, z), _numbers(value["direction"], 9))


def _images(value: Any) -> dict[str, Grid]:
    grids = {name: _grid(grid) for name, grid in _table(value).items()}
    if not grids or not set(grids) <= set(MODALITIES):
        raise ValueError(value)
    return grids


def _options(value: Any) -> Options:
    value = _table(value)
    overlap, tta = value["overlap"], value["tta"]
    if tta is not None and not isinstance(tta, bool):
        raise ValueError(tta)
    return Options(
        _text(value["device"]), None if overlap is None else _number(overlap, 0.0, 0.9), tta
    )


def _devices(value: Any) -> tuple[DeviceInfo, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise ValueError(value)
    return tuple(DeviceInfo(_text(v["name"]), _text(v["title"])) for v in value)


_CHECKS: Mapping[str, Any] = {
    "model": _text,
    "folder": _word,
    "name": _text,
    "images": _images,
    "options": _options,
    "of": lambda value: _whole(value, most=1 << 53),
    "protocol": _whole,
    "version": _text,
    "pid": lambda value: _whole(value, most=1 << 32),
    "devices": _devices,
    "stage": _word,
    "fraction": lambda value: _number(value, 0.0, 1.0),
    "seconds": lambda value: None if value is None else _number(value, 0.0),
    "result": _table,
    "code": _code,
    "sentence": _text,
}
"""How each field is read, the same wherever it occurs; raises where it does not fit."""
