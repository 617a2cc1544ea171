"""Chunks as bytes, with the code of families that no other process could import: from a notebook, a script, or a file loaded by its path."""

from __future__ import annotations

import io
import pickle
import sys
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle


class _Sender(cloudpickle.Pickler):  # type: ignore[misc]
    def reducer_override(self, obj: Any) -> Any:
        """Have a module's things sent whole where a worker would look for it in vain."""
        if isinstance(obj, ModuleType):
            _prepare(obj.__name__)
        elif isinstance(obj, type | FunctionType):
            _prepare(obj.__module__)
        return super().reducer_override(obj)


def pack(value: Any) -> bytes:
    """Return a value as bytes that any process with the same packages can read."""
    file = io.BytesIO()
    _Sender(file).dump(value)
    return file.getvalue()


def unpack(sent: bytes) -> Any:
    """Return what was packed, by this program and nobody else."""
    return pickle.loads(sent)  # noqa: S301


@cache
def _prepare(name: str) -> None:
    module = sys.modules.get(name)
    # cloudpickle sends __main__, and what is in no module, whole already
    if module is not None and name != "__main__" and not _importable(module):
        cloudpickle.register_pickle_by_value(module)


def _importable(module: ModuleType) -> bool:
    """Whether a new process that imports this name gets this module."""
    file, above = getattr(module, "__file__", None), module.__name__.rpartition(".")[0]
    if file is None:
        return True  # built in, or made by another module
    package = sys.modules.get(above)
    if above and (package is None or not _importable(package)):
        return False
    path = getattr(package, "__path__", None)
    # importlib.util.find_spec would answer with what this process has loaded
    found = (finder.find_spec(module.__name__, path) for finder in sys.meta_path)
    return any(spec is not None and spec.origin == file for spec in found)
