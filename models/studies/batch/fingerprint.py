"""A digest of what a study was asked that is the same in every process: of the values, and of the code of families that users wrote."""

from __future__ import annotations

import dis
import hashlib
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

LETTERS = 16


class Fingerprint:
    """Digests of values; those of classes and functions are kept, for many systems share them.

    An object is what it would be pickled as. A pickle's own bytes would not do: they depend on the order of sets, on which strings are one
    object and, for classes of a notebook, on chance.
    """

    def __init__(self) -> None:
        self._code: dict[Any, str] = {}
        self._above: set[int] = set()

    def of(self, value: Any) -> str:
        """Return the digest of a value, 16 letters."""
        if isinstance(value, type | FunctionType) and value in self._code:
            return self._code[value]
        if id(value) in self._above:
            return "itself"
        self._above.add(id(value))
        try:
            digest = hashlib.sha256("\0".join(self._parts(value)).encode("utf-8", "surrogatepass")).hexdigest()[:LETTERS]
        finally:
            self._above.discard(id(value))
        if isinstance(value, type | FunctionType):
            self._code[value] = digest
        return digest

    def _parts(self, value: Any) -> Iterator[str]:
        """What there is to a value: first its kind, then the digests of what it holds."""
        yield type(value).__qualname__
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            yield repr(value)
        elif isinstance(value, np.ndarray | np.generic) and value.dtype.kind != "O":
            array = np.asarray(value)
            yield f"{array.dtype.str} {array.shape}"
            yield hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        elif isinstance(value, Mapping):
            yield from sorted(self.of(k) + self.of(v) for k, v in value.items())
        elif isinstance(value, set | frozenset):
            yield from sorted(map(self.of, value))
        elif type(value) in (list, tuple):
            yield from map(self.of, value)
        elif isinstance(value, ModuleType):
            yield value.__name__
        elif isinstance(value, type | FunctionType):
            yield value.__qualname__
            if _installed(value.__module__):
                yield value.__module__
            else:
                yield from self._class(value) if isinstance(value, type) else self._function(value)
        elif isinstance(value, CodeType):
            yield value.co_code.hex()
            yield from map(self.of, (value.co_names, value.co_consts))
        else:
            yield from self._object(value)

    def _class(self, kind: type) -> Iterator[str]:
        yield from map(self.of, kind.__bases__)
        for name, member in sorted(vars(kind).items()):
            code = _unwrapped(member)
            if isinstance(code, FunctionType) or not name.startswith("__"):
                yield name
                yield self.of(code)

    def _function(self, function: FunctionType) -> Iterator[str]:
        """With the values it takes from around it: a constant of the module may be the very thing that was changed."""
        yield from map(self.of, (function.__code__, function.__defaults__, function.__kwdefaults__))
        yield from (self.of(cell.cell_contents) for cell in function.__closure__ or ())
        for name in _names(function.__code__):
            if name in function.__globals__:
                yield name
                yield self.of(function.__globals__[name])

    def _object(self, value: object) -> Iterator[str]:
        yield self.of(type(value))
        try:
            parts = value.__reduce_ex__(4)
        except Exception:  # a lock, a generator: no part of what is computed
            return
        if isinstance(parts, str):
            yield parts
            return
        made, given, state, *items = (*parts, None, None)[:5]
        if isinstance(state, dict):
            state = {k: v for k, v in state.items() if not isinstance(getattr(type(value), k, None), cached_property)}
        yield from map(self.of, (made, given, state))
        yield from (self.of(item) for more in items for item in more or ())


def _unwrapped(member: Any) -> Any:
    """The function in a property, a class method and their like."""
    for name in ("__func__", "fget", "func", "__wrapped__"):
        member = getattr(member, name, member)
    return member


def _names(code: CodeType) -> list[str]:
    """Global names that a function uses, or a function within it."""
    inner = [name for part in code.co_consts if isinstance(part, CodeType) for name in _names(part)]
    return sorted({*inner, *(step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL")})


def _installed(module: str | None) -> bool:
    """Whether the code of a module is known by its version, not by its text: this library's, Python's own, and other packages'."""
    top = (module or "builtins").partition(".")[0]
    if top == "sojourn" or top in sys.stdlib_module_names:
        return True
    file = getattr(sys.modules.get(module or ""), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file
