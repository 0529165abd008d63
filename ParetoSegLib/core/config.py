"""Configuration: trees of frozen dataclasses, read from YAML, overridden by ``key=value``."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ParetoSegLib.core.errors import ConfigError

T = TypeVar("T")


def load_config(kind: type[T], file: Path | None, overrides: Sequence[str] = ()) -> T:
    """Build a config of type ``kind`` from its defaults, a YAML file and ``a.b=value`` overrides.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value has the wrong type or,
            by the dataclass's own check, the wrong range.
    """
    tree: dict[str, Any] = {} if file is None else _read_yaml(file)
    for override in overrides:
        _put(tree, override)
    return from_mapping(kind, tree)


def from_mapping(kind: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Build a dataclass from a mapping; nested dataclasses from nested mappings."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"The configuration {where.rstrip('.')} needs keys and values.")
    hints = typing.get_type_hints(kind)
    known = [f.name for f in dataclasses.fields(kind) if f.init]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise ConfigError(
                f"The configuration key {where}{key} is unknown; here one can set "
                f"{', '.join(known)}."
            )
    arguments = {k: _convert(hints[k], v, f"{where}{k}") for k, v in values.items()}
    try:
        return kind(**arguments)
    except ValueError as error:
        raise ConfigError(f"The configuration {where}{error}") from error


def to_mapping(config: Any) -> Any:
    """The config as plain dicts, lists and scalars, as YAML and JSON want them."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {
            f.name: to_mapping(getattr(config, f.name))
            for f in dataclasses.fields(config)
            if f.init
        }
    if isinstance(config, Mapping):
        return {str(k): to_mapping(v) for k, v in config.items()}
    if isinstance(config, (list, tuple)):
        return [to_mapping(v) for v in config]
    return config


def to_yaml(config: Any) -> str:
    """The config as YAML that ``load_config`` reads back to an equal config."""
    import yaml

    return yaml.safe_dump(to_mapping(config), sort_keys=False, allow_unicode=True)


def _read_yaml(file: Path) -> dict[str, Any]:
    import yaml

    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The configuration file {file.name} cannot be read.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration file {file.name} is not valid YAML.") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"The configuration file {file.name} must hold keys and values.")
    return tree


def _put(tree: dict[str, Any], override: str) -> None:
    import yaml

    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"The override {override!r} is not of the form key=value.")
    *parents, last = path.split(".")
    for parent in parents:
        child = tree.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"The configuration key {path} goes into {parent}, a single value.")
        tree = child
    try:
        tree[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"The value of the override {override!r} cannot be read.") from error


_EXPONENT = re.compile(r"[-+]?\d+[eE][-+]?\d+")


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Check one value against its type hint, turning lists into tuples and ints into floats."""
    origin = typing.get_origin(hint)
    options = typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_mapping(hint, value, f"{where}.")  # type: ignore[arg-type]
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in options:
            return None
        return _convert(next(o for o in options if o is not type(None)), value, where)
    if origin is typing.Literal:
        if value in options:
            return value
        raise ConfigError(f"{where} is {value!r}; it can be {', '.join(map(str, options))}.")
    if origin is tuple and isinstance(value, (list, tuple)):
        if len(options) == 2 and options[1] is Ellipsis:
            return tuple(_convert(options[0], v, where) for v in value)
        if len(options) == len(value):
            return tuple(_convert(o, v, where) for o, v in zip(options, value, strict=True))
        raise ConfigError(f"{where} needs {len(options)} values, not {len(value)}.")
    if hint is Any or (origin is not None and origin is not tuple and isinstance(value, Mapping)):
        return value
    if hint is float and type(value) in (int, float):
        return float(value)
    if hint is float and isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)  # YAML 1.1 takes 1e-4 for a word, since it has no point
    if hint in (bool, int, str) and type(value) is hint:
        return value
    wanted = getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{where} is {value!r}, but must be of type {wanted}.")
