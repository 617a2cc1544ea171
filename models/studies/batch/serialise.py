"""Serialisation of chunks for other processes, with the code of classes they cannot import.

Such classes are defined in a notebook, in a script, or in a file that was loaded by its path.
"""

from __future__ import annotations

import io
import pickle
import sys
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def reducer_override(self, obj: Any) -> Any:
        """Pickle by value what belongs to a module that a worker cannot import."""
        if isinstance(obj, ModuleType):
            _register_by_value(obj.__name__)
        elif isinstance(obj, type | FunctionType):
            _register_by_value(obj.__module__)
        return super().reducer_override(obj)


def serialise(value: Any) -> bytes:
    """Return a value as bytes that any process with the same packages can read."""
    file = io.BytesIO()
    _Pickler(file).dump(value)
    return file.getvalue()


def deserialise(data: bytes) -> Any:
    """Return the value of `serialise`; only for bytes that this program has made."""
    return pickle.loads(data)  # noqa: S301


@cache
def _register_by_value(name: str) -> None:
    module = sys.modules.get(name)
    # cloudpickle pickles __main__, and objects of no module, by value already
    if module is not None and name != "__main__" and not _is_importable(module):
        cloudpickle.register_pickle_by_value(module)


def _is_importable(module: ModuleType) -> bool:
    """Whether a new process that imports this name gets this module."""
    file, parent = getattr(module, "__file__", None), module.__name__.rpartition(".")[0]
    if file is None:
        return True  # built in, or made by another module
    package = sys.modules.get(parent)
    if parent and (package is None or not _is_importable(package)):
        return False
    path = getattr(package, "__path__", None)
    # importlib.util.find_spec would return the module that this process has loaded
    specs = (finder.find_spec(module.__name__, path) for finder in sys.meta_path)
    return any(spec is not None and spec.origin == file for spec in specs)
