"""Checks that compare a quantity of a model with the closed form of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from rich.markup import escape
from rich.table import Table

from ...reference.errors import Array
from ...reference.html_table import HtmlTable
from ..core.ratio import BoundedValue
from .tables import table

Kind = Literal["time", "rate", "number"]

AGREE = 1e-8  # largest relative difference of two numbers that agree


@dataclass(frozen=True)
class Check:
    """One quantity, computed by a model and by the reference.

    Attributes
    ----------
    quantity : str
        Name of the quantity, such as ``"optimum delay"``.
    load : float
        Load at which it is compared.
    model, reference : float
        The two values.
    difference : float
        Relative difference. For flows it is the largest difference over the servers, relative to
        the load.
    certificate : float or None
        Largest relative difference that the certificate of the model allows; None where it does not
        bound this quantity.
    passed : bool
        Whether the difference is at most 1e-8 and within the certificate.
    kind : {"time", "rate", "number"}
        Kind of the quantity, which determines its unit.
    shares : str
        Parts of the computation that both sides share. The check cannot detect errors in them.
    simulated : BoundedValue or None
        The quantity in a simulation, and the ends of its interval of 99 %; see ``simulate=`` of
        `sojourn.models.verify`. It does not decide on `passed`: one of a hundred intervals misses.
    """

    quantity: str
    load: float
    model: float
    reference: float
    difference: float
    certificate: float | None
    passed: bool
    kind: Kind
    shares: str = ""
    simulated: BoundedValue | None = None

    @property
    def covered(self) -> bool:
        """Whether the interval of the simulation, if there is one, covers the reference."""
        found = self.simulated
        return found is None or found.lower <= self.reference <= found.upper

    @property
    def times(self) -> tuple[str, ...]:
        """Names of the fields that are times; see `sojourn.models.core.times.in_time_unit`."""
        return ("model", "reference", "simulated") if self.kind == "time" else ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON; without a simulation there is no field of it."""
        fields = {name: value for name, value in vars(self).items() if name != "simulated"}
        if self.simulated is not None:
            found = self.simulated
            numbers = {"value": float(found), "low": found.lower, "high": found.upper}
            fields["simulated"] = {**numbers, "covered": self.covered}
        return fields


@dataclass(frozen=True)
class Verification(HtmlTable):
    """All checks of one system.

    Attributes
    ----------
    checks : tuple of Check
        The checks.
    notes : tuple of str
        What a reader of the simulated numbers has to know, such as that a run is too short.
    passed : bool
        Whether every check passed.
    """

    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(c.passed for c in self.checks)

    def __str__(self) -> str:
        lines = [
            f"  {c.quantity}  load {c.load:.5g}  model {c.model:.8g}  reference {c.reference:.8g}"
            f"  difference {c.difference:.0e}  {'ok' if c.passed else 'DIFFERS'}"
            + ("" if c.simulated is None else f"  simulated {_interval(c)}")
            for c in self.checks
        ]
        passed = sum(c.passed for c in self.checks)
        head = f"{passed} of {len(self.checks)} quantities agree"
        return "\n".join([head, *lines, *(f"  {note}" for note in self.notes)])

    def table(self, title: str = "models against reference") -> Table:
        """Return the checks as a table of `rich`."""
        rows, simulates = [], any(c.simulated is not None for c in self.checks)
        for c in self.checks:
            own = (_interval(c) if c.simulated is not None else "",) if simulates else ()
            values = (f"{c.load:.5g}", f"{c.model:.8g}", f"{c.reference:.8g}")
            bound = "" if c.certificate is None else f"{c.certificate:.0e}"
            verdict = "ok" if c.passed else "[bold red]DIFFERS"
            rows.append((escape(c.quantity), *values, *own, f"{c.difference:.0e}", bound, verdict))
        column = ("simulated",) if simulates else ()
        headings = ("quantity", "load", "model", "reference", *column, "differ by", "certified", "")
        notes = dict.fromkeys(
            f"{c.quantity}: shared with the reference is {c.shares}"
            for c in self.checks
            if c.shares
        )
        caption = "\n".join([*notes, *map(escape, self.notes)]) or None
        return table(headings, rows, text=("quantity",), title=title, caption=caption)


def _interval(check: Check) -> str:
    """Return a simulated number with half of its interval, and a word where it misses."""
    found = check.simulated
    if found is None:
        return ""
    missed = "" if check.covered else ", misses"
    return f"{found:.6g} ± {(found.upper - found.lower) / 2:.1g}{missed}"


def with_simulated(checks: Sequence[Check], found: Mapping[str, BoundedValue]) -> list[Check]:
    """Return checks with the simulated numbers of those quantities that have one.

    Parameters
    ----------
    checks : sequence of Check
    found : mapping of str to BoundedValue
        Numbers by the name of the quantity.
    """
    return [replace(c, simulated=found.get(c.quantity, c.simulated)) for c in checks]


def compare(
    quantity: str,
    load: float,
    model: float,
    reference: float,
    certificate: float | None,
    kind: Kind,
) -> Check:
    """Return the check of a quantity.

    Parameters
    ----------
    quantity, load, model, reference, kind
        See `Check`. Where the reference is 0 the difference is absolute.
    certificate : float or None
        Certified relative error of the model; the check fails where the difference exceeds it.
    """
    difference = abs(model - reference) / (reference or 1.0)
    within = certificate is None or difference <= certificate * (1 + 1e-6) + 1e-12
    passed = bool(difference <= AGREE and within)
    return Check(quantity, load, model, reference, difference, certificate, passed, kind)


def compare_flows(
    quantity: str, load: float, names: Sequence[str], model: Array, reference: Array
) -> Check:
    """Return the check of the flow that differs most, relative to the load.

    Parameters
    ----------
    quantity, load
        See `Check`.
    names : sequence of str, length n
        Names of the servers.
    model, reference : ndarray, shape (n,)
        Their flows, jobs per unit of time.
    """
    differences = np.abs(model - reference) / load
    i = int(np.argmax(differences))
    name, values = f"{quantity} ({names[i]})", (float(model[i]), float(reference[i]))
    difference = float(differences[i])
    return Check(name, load, *values, difference, None, difference <= AGREE, "rate")
