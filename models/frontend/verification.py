"""A quantity, once by a model and once by the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich.markup import escape
from rich.table import Table

from ...reference.html_table import HtmlTable
from .tables import table

Kind = Literal["time", "rate", "number"]

AGREE = 1e-8  # relative difference up to which two numbers are the same


@dataclass(frozen=True)
class Check:
    """One quantity, twice.

    Attributes
    ----------
    quantity : str
    load : float
    model, reference : float
    difference : float
        Relative; for flows the largest over the servers, in parts of the load.
    certificate : float or None
        What the model's certificate allows, where it speaks of this quantity.
    passed : bool
        The difference is below 1e-8 and within the certificate.
    kind : {"time", "rate", "number"}
        What the quantity is.
    shares : str
        What of the search is the same on both sides, so that their agreement does not speak for it.
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
        """Fields that are times."""
        return ("model", "reference") if self.kind == "time" else ()


@dataclass(frozen=True)
class Verification(HtmlTable):
    """All checks of one system.

    Attributes
    ----------
    checks : tuple of Check
    passed : bool
        Whether every one did.
    """

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check did."""
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
        """Return the checks as a table for `rich`."""
        rows = []
        for c in self.checks:
            bound = "" if c.certificate is None else f"{c.certificate:.0e}"
            numbers = (
                f"{c.load:.5g}",
                f"{c.model:.8g}",
                f"{c.reference:.8g}",
                f"{c.difference:.0e}",
                bound,
            )
            rows.append((escape(c.quantity), *numbers, "ok" if c.passed else "[bold red]DIFFERS"))
        headings = ("quantity", "load", "model", "reference", "differ by", "certified", "")
        caption = (
            "\n".join(
                f"{c.quantity}: shared with the reference is {c.shares}"
                for c in self.checks
                if c.shares
            )
            or None
        )
        return table(headings, rows, text=("quantity",), title=title, caption=caption)


def compare(
    quantity: str,
    load: float,
    model: float,
    reference: float,
    certificate: float | None,
    kind: Kind,
) -> Check:
    """Return the check of a quantity, of one that is 0 as it is; a certificate, where there is one, must cover the difference."""
    difference = abs(model - reference) / (reference or 1.0)
    within = certificate is None or difference <= certificate * (1 + 1e-6) + 1e-12
    return Check(
        quantity,
        load,
        model,
        reference,
        difference,
        certificate,
        bool(difference <= AGREE and within),
        kind,
    )
