"""Banks made of other banks: side by side, or one of them seen in another way.

A number that such a bank does not say itself is made of those of its parts, by the table
`ServerBank.quantities`: so none is forgotten.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, wraps
from inspect import signature
from itertools import accumulate, chain, pairwise
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from .errors import Array, InputError
from .server_bank import ArrayLike, Operation, ServerBank, whole
from .validation import check_instance, list_or_none

OPERATING = frozenset({"at_latency", "at_marginal", "at_player"})
INVERSES = OPERATING | {"inverse_latency", "inverse_marginal", "difference_error_bound"}
"""Those of a price, which are of no use for what changes the price."""


class Composed(ServerBank):
    """Banks seen as one bank, whose numbers are made of theirs.

    A subclass says what each part gets of an argument, how the values of the parts are joined, and
    the numbers that are made in another way.

    Attributes
    ----------
    parts : tuple of Queue
    change : tuple
        What the bank is made of beside its parts.
    worked_out : frozenset of str
        Numbers that are left to `ServerBank`, which makes them of the others.
    """

    parts: tuple[Any, ...]
    change: tuple[Any, ...] = ()
    worked_out: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, mixin: bool = False, **named: Any) -> None:
        """Add every number that is not said by a class of this kind; to a `mixin` none."""
        for name, kinds in cls.quantities.items():
            said_by = next(c for c in cls.__mro__ if name in vars(c))
            if not mixin and name not in cls.worked_out and not issubclass(said_by, Composed):
                setattr(cls, name, _made_of_parts(name, kinds, vars(said_by)[name]))
        super().__init_subclass__(**named)

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Mean time l(x), of the latencies of the parts; see `ServerBank.latency`."""
        return np.asarray(self._made("latency", self.quantities["latency"], flow, spare_capacity))

    @abstractmethod
    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        """What each part gets of an argument."""

    @abstractmethod
    def _join(self, values: list[Any], kind: str) -> Any:
        """Value for all parts."""

    def _made(self, name: str, kinds: tuple[str, ...], *given: Any) -> Any:
        values = self._of_parts(name, kinds, *given)
        return JOINED[kinds[-1]](values) if kinds[-1] in JOINED else self._join(values, kinds[-1])

    def _of_parts(self, name: str, kinds: tuple[str, ...], *given: Any) -> list[Any]:
        """Value of a number for each part."""
        values = [getattr(part, name) for part in self.parts]
        if len(kinds) == 1:
            return values
        each = [self._each(g, kind) for g, kind in zip(given, kinds, strict=False)]
        return [method(*its) for method, *its in zip(values, *each, strict=True)]

    def _like(self, parts: Sequence[ServerBank]) -> Self:
        """Return other parts seen in the same way."""
        return type(self)(*parts, *self.change)

    def take(self, index: npt.NDArray[np.intp] | slice) -> Self:
        """Return the bank of the servers at `index`."""
        change = (c[index] if isinstance(c, np.ndarray) else c for c in self.change)
        return type(self)(*(part.take(index) for part in self.parts), *change)

    def with_extra_delay(self, delay: ArrayLike) -> Self:
        """Return the bank of the parts with longer delays."""
        each = zip(self.parts, self._each(delay, "time"), strict=True)
        return self._like([part.with_extra_delay(more) for part, more in each])


JOINED: Mapping[str, Callable[[list[Any]], Any]] = {
    "any": any,
    "all": all,
    "words": lambda values: type(values[0])(chain.from_iterable(values)),
}
"""How values that are no numbers are joined, by kind."""


def _made_of_parts(name: str, kinds: tuple[str, ...], known: Any) -> Any:
    """Return a property or method that makes a number of the parts', documented as what it replaces."""
    if len(kinds) == 1:
        made: cached_property[Any] = cached_property(lambda self: self._made(name, kinds))
        made.__set_name__(Composed, name)
        made.__doc__ = known.__doc__
        return made
    takes = signature(known)

    @wraps(known, updated=())
    def method(self: Composed, *given: Any, **named: Any) -> Any:
        if named:
            given = takes.bind(self, *given, **named).args[1:]
        return self._made(name, kinds, *given)

    return method


class View(Composed):
    """One bank, `bank`, whose latency is seen in another way.

    A subclass gives the latency; what depends on it is worked out anew.
    """

    worked_out = INVERSES | {"marginal", "marginal_slope", "rate_slope"}

    def __init__(self, bank: Any, *change: Any) -> None:
        self.bank, self.parts, self.change = bank, (bank,), change
        self.rate, self.delay = bank.rate, bank.delay

    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        return (value,)

    def _join(self, values: list[Any], kind: str) -> Any:
        return values[0]


class MixedBank(Composed):
    """Banks of different families, side by side: one Queue whose servers are theirs, in order.

    Parameters
    ----------
    banks : sequence of Queue
        At least one.
    """

    made_of: ClassVar[tuple[type[ServerBank], str, str]] = (
        ServerBank,
        "is not a bank of servers",
        "give MM1, MD1, MG1 or another Queue",
    )

    def __init__(self, banks: Sequence[ServerBank]) -> None:
        given = list_or_none(banks)
        if given is None:
            raise InputError("servers", banks, *self.made_of[1:])
        if not given:
            raise InputError("servers", [], "the system has no server", "give at least one bank")
        self.parts = tuple(
            whole(check_instance(f"servers[{i}]", bank, *self.made_of))
            for i, bank in enumerate(given)
        )
        self.edges = tuple(accumulate(map(len, self.parts), initial=0))
        self.rate = np.concatenate([b.rate for b in self.parts])
        self.delay = np.concatenate([b.delay for b in self.parts])

    @property
    def banks(self) -> tuple[Any, ...]:
        """The banks, in order."""
        return self.parts

    @property
    def k(self) -> Array:
        """Variability of each server, where all families have one, shape (n,)."""
        return np.concatenate([b.k for b in self.parts])

    def take(self, index: npt.NDArray[np.intp] | slice) -> Self:
        """Return the pool of the servers at `index`, grouped by family (their order within a family kept)."""
        index = np.arange(len(self))[index] if isinstance(index, slice) else index
        owner = np.searchsorted(self.edges, index, side="right") - 1
        there = [(bank, index[owner == j] - self.edges[j]) for j, bank in enumerate(self.parts)]
        return self._like([bank.take(its) for bank, its in there if its.size])

    def _like(self, parts: Sequence[ServerBank]) -> Self:
        return type(self)(parts)

    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        """The part of the last axis of an array that is each bank's."""
        if value is None or kind in ("plain", "form"):
            return (value,) * len(self.parts)
        value = np.broadcast_to(value, (*np.shape(value)[:-1], len(self)))
        return [value[..., low:high] for low, high in pairwise(self.edges)]

    def _join(self, values: list[Any], kind: str) -> Any:
        if kind == "point":
            return Operation(
                *(np.concatenate(field, axis=-1) for field in zip(*values, strict=True))
            )
        return np.concatenate(values, axis=-1)


def as_bank(servers: ServerBank | Sequence[ServerBank]) -> ServerBank:
    """Return one Queue: a bank as it is, several banks as their `MixedBank`."""
    return whole(servers) if isinstance(servers, ServerBank) else MixedBank(servers)
