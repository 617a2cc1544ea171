"""The methods that are compared: each file here has a tuple `METHODS` of names and functions, and to add a peer is to add a file."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping

from ..answer import Answer
from ..instance import Case

Method = Callable[[Case, float], Answer]
"""From a case, and the seconds after which a method that can be stopped has to end, to its answer. Raises `Skipped`."""

METHODS: Mapping[str, Method] = {
    name: method
    for found in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name)
    for name, method in importlib.import_module(f"{__name__}.{found.name}").METHODS
}
"""By name, in the order of their files."""
