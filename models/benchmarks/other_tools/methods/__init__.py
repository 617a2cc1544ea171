"""Methods that are compared, one file each; to add a method is to add a file.

A file has a tuple ``METHODS`` of pairs of a name and a function.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping

from ..answer import Answer
from ..instance import Instance

Method = Callable[[Instance, float], Answer]
"""Function from an instance and a time limit in seconds to an answer; may raise `Unavailable`."""

METHODS: Mapping[str, Method] = {
    name: method
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name)
    for name, method in importlib.import_module(f"{__name__}.{module.name}").METHODS
}
"""Methods by name, in the order of their files."""
