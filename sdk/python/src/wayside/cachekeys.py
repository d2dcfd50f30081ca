"""Keys of cached calls: what a function is called, and its arguments in one form."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import hashlib
import inspect
import json
import os
import pathlib
import sys
import uuid
from typing import Any, Callable, Mapping

LONGEST = 512  # bytes of a key
_DEEPEST = 100  # levels of arguments within arguments


def name_of(fn: Callable[..., Any]) -> str:
    """Gives the name by which a function's values are kept, the same in every process that has the function.

    TypeError where two functions could have the same one, so that neither is given the other's values.
    """
    qualified = getattr(fn, "__qualname__", None)
    if qualified is None:
        raise TypeError(f"a {type(fn).__name__} has no name to keep values by; give name=")
    if "<lambda>" in qualified:
        raise TypeError("a lambda has no name to keep values by; give name=")
    if "<locals>" in qualified and getattr(fn, "__closure__", None):
        held = ", ".join(fn.__code__.co_freevars)  # type: ignore[attr-defined]
        raise TypeError(f"{qualified} uses {held} of the function around it, which its keys do not tell; give name=")
    return f"{_module(fn)}.{qualified}"


def _module(fn: Callable[..., Any]) -> str:
    """A module that runs as a program is called as it would be if it were imported."""
    module = getattr(fn, "__module__", None) or "?"
    if module != "__main__":
        return module
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return spec.name.removesuffix(".__main__")
    path = getattr(main, "__file__", None)
    return os.path.splitext(os.path.basename(path))[0] if path else module


def digest(signature: inspect.Signature, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Gives the same text for calls that mean the same: by position or by name, defaults written or not.

    Values of different types differ, even where Python has them equal: 1, 1.0 and True.
    """
    bound = signature.bind(*args, **kwargs)  # TypeError as of the call itself
    bound.apply_defaults()
    parts = [[key, _canonical(value, name, key, 0)] for key, value in bound.arguments.items()]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def fitting(text: str) -> str:
    """Gives a text as it stands in a key: by its digest where it is long, or is no Unicode."""
    raw = text.encode(errors="surrogatepass")
    if len(raw) <= 64 and raw == text.encode(errors="replace"):
        return text
    return hashlib.sha256(raw).hexdigest()


def _canonical(value: Any, name: str, where: str, depth: int) -> Any:
    """Gives a value as JSON that says its type as well."""
    if depth > _DEEPEST:
        raise TypeError(f"argument {where} of {name} is too deep to make a key of; give key=")

    def inner(v: Any) -> Any:
        return _canonical(v, name, where, depth + 1)

    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return ["enum", _type(value), value.name]
    if isinstance(value, int):
        return ["int", hex(value)]
    if isinstance(value, float):
        return ["float", float.__repr__(value)]
    if isinstance(value, str):
        return ["str", str.__str__(value)]
    if isinstance(value, (bytes, bytearray)):
        return ["bytes", value.hex()]
    if isinstance(value, (list, tuple)):
        return ["tuple" if isinstance(value, tuple) else "list", [inner(v) for v in value]]
    if isinstance(value, dict):
        return ["dict", _sorted([inner(k), inner(v)] for k, v in value.items())]
    if isinstance(value, (set, frozenset)):
        return ["set", _sorted(inner(v) for v in value)]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return [type(value).__name__, value.isoformat(), getattr(value, "fold", 0), str(getattr(value, "tzinfo", None))]
    if isinstance(value, datetime.timedelta):
        return ["timedelta", value.days, value.seconds, value.microseconds]
    if isinstance(value, (decimal.Decimal, uuid.UUID, pathlib.PurePath)):
        return [type(value).__name__, str(value)]
    if isinstance(value, type):
        return ["type", f"{value.__module__}.{value.__qualname__}"]
    if dataclasses.is_dataclass(value):
        return ["dataclass", _type(value), [[f.name, inner(getattr(value, f.name))] for f in dataclasses.fields(value)]]
    raise TypeError(f"argument {where} of {name} is a {type(value).__name__}, of which no key can be made; give key=")


def _type(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _sorted(parts: Any) -> list[Any]:
    return sorted(parts, key=lambda p: json.dumps(p))
