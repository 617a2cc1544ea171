"""Whether a latency family is what the models take it for: its numbers, its cones, its units and its errors, one property after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from ...reference import family_checks
from ...reference.errors import Array, InputError
from ...reference.html_table import HtmlTable
from ...reference.server_bank import whole
from ...reference.validation import as_seed, check_flag, check_instance
from ..core.progress import reports_progress
from . import check_cones, check_numbers
from .base import Latency

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
    "DCP and DPP": check_cones.disciplined,
    "cone values": check_cones.values,
    "kinds of cone": check_cones.kinds,
}
"""What is looked at, in this order: a function from servers and loads (m, n) to what it saw, or an InputError."""


@dataclass(frozen=True)
class PropertyCheck:
    """One property of a family: whether it holds, and the numbers.

    Attributes
    ----------
    name : str
    passed : bool
    detail : str
        What was looked at, or the message of what is wrong.
    """

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class LatencyReport(HtmlTable):
    """Every property of a family; print it to read it.

    Attributes
    ----------
    family : str
    checks : tuple of PropertyCheck
    """

    family: str
    checks: tuple[PropertyCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether all properties hold."""
        return all(c.passed for c in self.checks)

    def table(self) -> Table:
        """Return the report as a table of rich."""
        table = Table(title=self.family)
        for heading in ("property", "", "what was looked at"):
            table.add_column(heading, no_wrap=heading == "property")
        for c in self.checks:
            table.add_row(c.name, "ok" if c.passed else "[bold red]wrong", c.detail)
        return table

    def __str__(self) -> str:
        width = max(len(c.name) for c in self.checks)
        lines = [
            f"  {c.name:<{width}}  {'ok' if c.passed else 'WRONG'}  {c.detail}" for c in self.checks
        ]
        return "\n".join(
            [
                f"{self.family}: {'all properties hold' if self.passed else 'not a latency family'}",
                *lines,
            ]
        )


class LatencyCheckError(InputError):
    """A property that a family does not have.

    Attributes
    ----------
    name : str
        The property.
    report : LatencyReport
        All of them.
    """

    def __init__(self, name: str, error: InputError, report: LatencyReport) -> None:
        super().__init__(error.field, error.value, error.problem, error.remedy)
        self.name, self.report = name, report
        self.args = (f"{name}: {error}",)


@reports_progress
def check_latency(bank: Latency, seed: int = 0, *, throw: bool = True) -> LatencyReport:
    """Test all that the models take for granted of a latency family, at random loads.

    Never falling and convex; the marginal delay the derivative of x l(x), the potential the integral of l, the slopes and inverses theirs;
    every cone, minimised, the number that it stands for (tangents: never above it, and equal where they touch), DCP, DPP in the load and of
    the kinds that it declares; finite up to the edge of the capacity; the same servers in other units; NaN refused.

    Parameters
    ----------
    bank : Latency
        n servers of the family, with parameters as different as users will have them.
    seed : int, default 0
        Of the random loads.
    throw : bool, default True
        Raise where a property does not hold; False returns the report.

    Returns
    -------
    LatencyReport

    Raises
    ------
    LatencyCheckError
        Naming the first property that does not hold, with the server, the load and the numbers; the whole report is in it.

    Examples
    --------
    >>> from sojourn.models import MM1, check_latency
    >>> check_latency(MM1(rate=[10.0, 5.0])).passed
    True
    """
    check_instance(
        "bank",
        bank,
        Latency,
        "is not a bank with cones",
        "make its class a subclass of sojourn.models.Latency",
    )
    found, first, bank, throw = [], None, whole(bank), check_flag("throw", throw)
    points = check_numbers.random_loads(bank, np.random.default_rng(as_seed(seed)))
    for name, look in PROPERTIES.items():
        try:
            with np.errstate(all="ignore"):
                found.append(PropertyCheck(name, True, look(bank, points)))
        except Exception as error:  # whatever a family raises is a finding
            known = error if isinstance(error, InputError) else family_checks.raised(name, error)
            found.append(PropertyCheck(name, False, str(known)))
            first = first or (name, known)
    report = LatencyReport(
        f"{type(bank).__name__}, {len(bank)} server{'s' * (len(bank) > 1)}", tuple(found)
    )
    if throw and first is not None:
        raise LatencyCheckError(*first, report)
    return report
