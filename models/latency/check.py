"""Check of a latency family: its numbers, cones, units and errors, one property after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...reference import family_checks
from ...reference.bank_fields import whole
from ...reference.errors import Array, InputError
from ...reference.html_table import HtmlTable
from ...reference.plural import counted
from ...reference.validation import as_seed, check_flag, check_instance
from ..core.progress import reports_progress
from . import check_cone_numbers, check_cones, check_numbers
from .base import Latency

if TYPE_CHECKING:
    from rich.table import Table

# Checks in order: from a bank and loads (m, n) to a description of what was checked, or InputError.
PROPERTIES: Mapping[str, Callable[[Latency, Array], str]] = {
    "shapes": check_numbers.shapes,
    "increasing and convex": family_checks.convex,
    "empty server": family_checks.empty,
    "edge of capacity": check_numbers.edge,
    "derivatives": check_numbers.derivatives,
    "potential": check_numbers.potential,
    "inverses": family_checks.inverses,
    "parts of a bank": check_numbers.parts,
    "units": check_numbers.units,
    "bad input": check_numbers.bad_input,
    "numbers of cones": check_cone_numbers.numbers,
    "DCP and DPP": check_cones.disciplined,
    "cone values": check_cones.values,
    "kinds of cone": check_cones.kinds,
}


@dataclass(frozen=True)
class PropertyCheck:
    """Result of the check of one property.

    Attributes
    ----------
    name : str
        The property; see `check_latency`.
    passed : bool
        Whether the family has it.
    detail : str
        What was checked, or the message of the error.
    """

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class LatencyReport(HtmlTable):
    """Results of `check_latency`, readable when printed.

    Attributes
    ----------
    family : str
        Class of the bank and its number of servers.
    checks : tuple of PropertyCheck
        One per property, in order.
    """

    family: str
    checks: tuple[PropertyCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether the family has all properties."""
        return all(c.passed for c in self.checks)

    def table(self) -> Table:
        """Return the report as a table of rich."""
        from rich.table import Table

        table = Table(title=self.family)
        for heading in ("property", "", "what was checked"):
            table.add_column(heading, no_wrap=heading == "property")
        for c in self.checks:
            table.add_row(c.name, "ok" if c.passed else "[bold red]wrong", c.detail)
        return table

    def __str__(self) -> str:
        width = max(len(c.name) for c in self.checks)
        result = "all properties hold" if self.passed else "some properties do not hold"
        lines = [
            f"  {c.name:<{width}}  {'ok' if c.passed else 'WRONG'}  {c.detail}" for c in self.checks
        ]
        return "\n".join([f"{self.family}: {result}", *lines])


class LatencyCheckError(InputError):
    """A property that a family lacks.

    Attributes
    ----------
    name : str
        The first property that does not hold; see `check_latency`.
    report : LatencyReport
        Results for all properties.
    """

    def __init__(self, name: str, error: InputError, report: LatencyReport) -> None:
        super().__init__(error.field, error.value, error.problem, error.remedy)
        self.name, self.report = name, report
        self.args = (f"{name}: {error}",)


@reports_progress
def check_latency(bank: Latency, seed: int = 0, *, throw: bool = True) -> LatencyReport:
    """Check a latency family for everything that the models assume, at random loads.

    Parameters
    ----------
    bank : Latency
        n servers of the family, with parameters as different as in use.
    seed : int, default 0
        Seed of the random loads.
    throw : bool, default True
        Raise an error if a property does not hold; with False, only return the report.

    Returns
    -------
    LatencyReport

    Raises
    ------
    LatencyCheckError
        If a property does not hold; it names the first such property, the server, the load and
        the numbers, and has the whole report.

    Notes
    -----
    The checks, at 40 loads per server up to close to its rate, are:

    - *shapes*: ``rate`` and ``delay`` are float arrays of shape (n,), and the latency of flows of
      shape (..., n) has that shape.
    - *increasing and convex*: the latency is finite, at least 0, never falls and is convex.
    - *empty server*: the latency at load 0 is delay + service.
    - *edge of capacity*: given the spare capacity, the latency is finite and rises up to 1e-12
      below the rate; it and what derives from it are infinite from the rate on.
    - *derivatives*: ``marginal`` is the derivative of x l(x), ``latency_slope`` that of l and
      ``marginal_slope`` that of ``marginal``, against finite differences.
    - *potential*: ``potential`` is the integral of the latency from 0, against quadrature.
    - *inverses*: the flows of ``inverse_latency``, ``inverse_marginal``, ``at_latency`` and
      ``at_marginal`` have the given price; the flow is 0 below the idle latency.
    - *parts of a bank*: ``take`` and ``with_extra_delay`` return the same servers.
    - *units*: ``in_unit`` returns the same servers in minutes and milliseconds.
    - *bad input*: the constructor refuses NaN in every parameter, and -1 where it gives no
      increasing convex latency.
    - *numbers of cones*: every cone with a parameter for each of its ``cone_numbers`` compiles to
      the programs of other banks of the same ``cone_shape``, entry by entry, and every number
      changes the program.
    - *DCP and DPP*: every cone is convex by CVXPY's rules, also with the load as a parameter, and
      its value has shape (n,).
    - *cone values*: every cone, minimised at a given flow, equals its function; tangents are never
      above it and equal it where they touch.
    - *kinds of cone*: `Cone.kinds` are the cones that CVXPY compiles, by which solvers are chosen.

    Examples
    --------
    >>> from sojourn.models import MM1, check_latency
    >>> check_latency(MM1(rate=[10.0, 5.0])).passed
    True
    """
    remedy = "make its class a subclass of sojourn.models.Latency"
    check_instance("bank", bank, Latency, "is not a bank with cones", remedy)
    bank, throw = whole(bank), check_flag("throw", throw)
    points = check_numbers.random_loads(bank, np.random.default_rng(as_seed(seed)))
    checks: list[PropertyCheck] = []
    first: tuple[str, InputError] | None = None
    for name, check in PROPERTIES.items():
        try:
            with np.errstate(all="ignore"):
                checks.append(PropertyCheck(name, True, check(bank, points)))
        except Exception as error:  # a family may raise any error
            known = error if isinstance(error, InputError) else family_checks.raised(name, error)
            checks.append(PropertyCheck(name, False, str(known)))
            first = first or (name, known)
    family = f"{type(bank).__name__}, {counted(len(bank), 'server')}"
    report = LatencyReport(family, tuple(checks))
    if throw and first is not None:
        raise LatencyCheckError(*first, report)
    return report
