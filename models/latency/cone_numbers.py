"""Numbers of cones, by which banks of one shape share a program that is compiled once.

A cone is a few expressions and a few numbers for each server. CVXPY compiles the expressions, which
takes much longer than a small program takes to solve. A family that names its numbers lets
programs have a CVXPY parameter in place of each (`sojourn.models.latency.cone.as_parameters`): the
program of one bank is then that of every bank of the same `ConeNumbers.cone_shape`, with other
values.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import chain
from typing import Any, ClassVar

from ...reference.composed import Composed
from ...reference.errors import Array
from ...reference.server_bank import ServerBank
from .cone import Numbers, parameters_in_cones

FUNCTIONS = ("total", "potential", "latency")  # of a bank, that a cone can stand for
CONE_METHODS = tuple(f"{function}_cone" for function in FUNCTIONS)


class ConeNumbers(ServerBank):
    """A bank that can name the numbers of its cones; the base class names none.

    Attributes
    ----------
    signed_cone_numbers : tuple of str
        Names of the numbers that may be negative; the others are always 0 or more.
    """

    signed_cone_numbers: ClassVar[tuple[str, ...]] = ()
    _gives_numbers: ClassVar[bool] = False

    def __init_subclass__(cls, **named: Any) -> None:
        """Note whether the numbers are those of the cones.

        Those of a parent class need not be all numbers of a cone that the class defines.
        """
        super().__init_subclass__(**named)
        # position of the class that defines a method; a smaller one is closer to `cls`
        owner = {
            name: position
            for position, kind in reversed(list(enumerate(cls.__mro__)))
            for name in ("cone_numbers", *CONE_METHODS)
            if name in vars(kind)
        }
        cls._gives_numbers = all(owner["cone_numbers"] <= owner.get(c, -1) for c in CONE_METHODS)

    def cone_numbers(self) -> Mapping[str, Array] | None:
        """Return the numbers of the cones by name, each of shape (n,); here None.

        A cone multiplies no two of them, and none by a function of another: a product or a root
        is a number of its own. They are those of the cones of this class and its parent classes; a
        subclass with a cone of its own gives them anew. Without them, programs have the numbers of
        one bank written in.
        """
        return None

    @property
    def cone_structure(self) -> Hashable:
        """All that the cones depend on beside `cone_numbers`, such as powers and zeros; here ()."""
        return ()

    def numbers_in_cones(self) -> Mapping[str, Any]:
        """Return the numbers for a cone: the `cone_numbers`, or CVXPY parameters in their place."""
        parameters = parameters_in_cones()
        if parameters is not None:
            return parameters.of_part(self)
        return Numbers(self, self.cone_numbers() or {})

    @property
    def cone_parts(self) -> tuple[ConeNumbers, ...] | None:
        """Banks whose `cone_numbers` are those of the cones: itself, or its parts; None without."""
        if not self._gives_numbers:
            return None
        if not isinstance(self, Composed):
            return (self,)
        of_parts = [part.cone_parts for part in self.parts]
        if None in of_parts:
            return None
        return tuple(chain.from_iterable(of_parts))

    @property
    def cone_shape(self) -> Hashable | None:
        """Key that is equal for banks whose programs differ in numbers alone; None without numbers.

        It holds for the functions that the bank has a cone for (`Latency.has_cone`).
        """
        parts = self.cone_parts
        if parts is None:
            return None
        if not isinstance(self, Composed):
            return type(self), len(self), self.cone_structure
        first: dict[int, int] = {}  # one bank as two parts has one set of parameters
        same = tuple(first.setdefault(id(part), i) for i, part in enumerate(parts))
        shapes = tuple(part.cone_shape for part in self.parts)
        return type(self), self.cone_structure, same, shapes


def numbers_of_parts(bank: ConeNumbers) -> Mapping[str, Array]:
    """Return no number: all are those of the parts, as the cones consist of theirs.

    It is the `cone_numbers` of a bank made of other banks.
    """
    return {}
