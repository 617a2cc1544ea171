"""Checks that compare a quantity of a model with the closed form of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.markup import escape
from rich.table import Table

from ...reference.errors import Array
from ...reference.html_table import HtmlTable
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

    @property
    def times(self) -> tuple[str, ...]:
        """Names of the fields that are times; see `sojourn.models.core.times.in_time_unit`."""
        return ("model", "reference") if self.kind == "time" else ()


@dataclass(frozen=True)
class Verification(HtmlTable):
    """All checks of one system.

    Attributes
    ----------
    checks : tuple of Check
        The checks.
    passed : bool
        Whether every check passed.
    """

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(c.passed for c in self.checks)

    def __str__(self) -> str:
        lines = [
            f"  {c.quantity}  load {c.load:.5g}  model {c.model:.8g}  reference {c.reference:.8g}"
            f"  difference {c.difference:.0e}  {'ok' if c.passed else 'DIFFERS'}"
            for c in self.checks
        ]
        passed = sum(c.passed for c in self.checks)
        return "\n".join([f"{passed} of {len(self.checks)} quantities agree", *lines])

    def table(self, title: str = "models against reference") -> Table:
        """Return the checks as a table of `rich`."""
        rows = []
        for c in self.checks:
            values = (f"{c.load:.5g}", f"{c.model:.8g}", f"{c.reference:.8g}")
            bound = "" if c.certificate is None else f"{c.certificate:.0e}"
            verdict = "ok" if c.passed else "[bold red]DIFFERS"
            rows.append((escape(c.quantity), *values, f"{c.difference:.0e}", bound, verdict))
        headings = ("quantity", "load", "model", "reference", "differ by", "certified", "")
        notes = dict.fromkeys(
            f"{c.quantity}: shared with the reference is {c.shares}"
            for c in self.checks
            if c.shares
        )
        caption = "\n".join(notes) or None
        return table(headings, rows, text=("quantity",), title=title, caption=caption)


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
