"""Families of latencies by name, as scenario files and the command say them: those that come along, and those that others add.

From a module: ``register("M/M/1/K", MM1K)``, or ``@register("M/M/1/K")`` above the class. From an installed package: an entry point of the
group ``sojourn.latencies``, which is loaded when somebody asks for it.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from ...reference.errors import InputError
from ..core.plugins import loaded, offered
from .approximate import KraemerLangenbachBelz, MM1Setup
from .base import Latency
from .gg1 import MG1PS, Kingman, MM1Percentile, MM1Vacations
from .measured import Measured
from .mg1 import MD1, MG1, MM1
from .mmc import MMc
from .polynomial import BPR, Constant, Polynomial
from .tandem import Tandem

GROUP = "sojourn.latencies"
Family = TypeVar("Family", bound=type[Latency])

_families: dict[str, type[Latency]] = {
    "M/M/1": MM1,
    "M/D/1": MD1,
    "M/G/1": MG1,
    "M/M/c": MMc,
    "G/G/1": Kingman,
    "G/G/1-KLB": KraemerLangenbachBelz,
    "M/G/1-PS": MG1PS,
    "M/M/1-vacations": MM1Vacations,
    "M/M/1-setup": MM1Setup,
    "M/M/1-percentile": MM1Percentile,
    "tandem": Tandem,
    "polynomial": Polynomial,
    "constant": Constant,
    "BPR": BPR,
    "measured": Measured,
}


@overload
def register(name: str) -> Callable[[Family], Family]: ...
@overload
def register(name: str, family: Family) -> Family: ...
def register(name: str, family: Any = None) -> Any:
    """Give a family a name, by which scenario files and the benchmark of families know it.

    Parameters
    ----------
    name : str
        Not taken by another family.
    family : type, optional
        Subclass of `Latency`. Without it a decorator is returned.

    Returns
    -------
    type
        The family.

    Raises
    ------
    InputError
        On a name that is none or taken, or a class that is not a family.

    Examples
    --------
    >>> from sojourn.models import MM1
    >>> @register("M/M/1 of mine")
    ... class Mine(MM1):
    ...     pass
    >>> "M/M/1 of mine" in families()
    True
    """
    if family is None:
        return lambda decorated: register(name, decorated)
    if not isinstance(name, str) or not name.strip():
        raise InputError("name", name, "is not a name", "give some text, such as 'M/M/1/K'")
    if not (isinstance(family, type) and issubclass(family, Latency)):
        raise InputError("family", family, "is not a class of servers", "make it a subclass of sojourn.models.Latency")
    there = _families.get(name)
    # a module that is loaded again defines its class again
    if there is not None and (there.__module__, there.__qualname__) != (family.__module__, family.__qualname__):
        raise InputError("name", name, f"is the name of {there.__module__}.{there.__qualname__}", "choose another")
    _families[name] = family
    return family


def families() -> Mapping[str, type[Latency]]:
    """Return all families by name; an entry point that does not load is passed over with a warning."""
    found = dict(_families)
    for name in offered(GROUP):
        try:
            found.setdefault(name, family_named(name))
        except InputError as error:
            warnings.warn(str(error), stacklevel=2)
    return found


def names() -> tuple[str, ...]:
    """Return the names of all families, without loading any."""
    return tuple(dict.fromkeys([*_families, *offered(GROUP)]))


def family_named(name: object) -> type[Latency]:
    """Return the family of a name.

    Raises
    ------
    InputError
        On a name that is not known, or an entry point that does not load.
    """
    if not isinstance(name, str) or name not in names():
        plain = {known.lower(): known for known in names()}
        near = difflib.get_close_matches(str(name).lower(), plain, 1)
        guess = f"did you mean {plain[near[0]]}? The families are" if near else "use one of"
        raise InputError("family", name, "is not a known family", f"{guess} {', '.join(names())}")
    if name not in _families:
        register(name, loaded(offered(GROUP)[name], "family"))
    return _families[name]
