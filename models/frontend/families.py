"""The list of latency families on the command line: their names, fields and cones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cvxpy as cp
from rich.markup import escape

from ..latency import Latency, families
from ..latency.base import parameters
from .report import Report
from .tables import table

CAPTION = (
    "fields with ? may be left out, service_time may stand for rate; M/M/1-percentile: "
    "the flow-weighted mean of the servers' percentiles, no percentile of all jobs; "
    "--json lists more"
)


def listed() -> list[dict[str, Any]]:
    """Return one row for each family.

    Its keys are ``name``, ``class``, ``latency`` (the first line of the documentation), ``fields``,
    and the cones of its ``optimum`` and its ``equilibrium``.
    """
    return [_row(name, family) for name, family in families().items()]


def _row(name: str, family: type[Latency]) -> dict[str, Any]:
    fields = [field if required else f"{field}?" for field, required in parameters(family).items()]
    return {
        "name": name,
        "class": f"{family.__module__}.{family.__qualname__}",
        "latency": (family.__doc__ or "").strip().split("\n")[0].split(";")[0].rstrip("."),
        "fields": fields + [f"{field}?" for field in family.files],
        "optimum": _cones(family, "total"),
        "equilibrium": _cones(family, "potential"),
    }


def _cones(family: type[Latency], kind: str) -> str:
    """Return the cones of a family, ``linear`` or ``tangents``; ``?`` where it has no sample."""
    try:
        bank = family.sample()
        if not bank.has_cone(kind):
            return "tangents"
        cone = getattr(bank, f"{kind}_cone")(cp.Variable(len(bank)))
        return ", ".join(sorted(cone.kinds)) or "linear"
    except (TypeError, ValueError):
        return "?"


def report() -> Iterator[Report]:
    """Yield the report of ``sojourn families``: the rows as a table and as JSON."""
    rows = listed()
    cells = [
        map(escape, (row["name"], ", ".join(row["fields"]), row["optimum"], row["equilibrium"]))
        for row in rows
    ]
    headings = ("family", "fields", "cones of the\noptimum", "of the\nequilibrium")
    shown = table(headings, [tuple(row) for row in cells], text=headings[1:], caption=CAPTION)
    yield Report(rows, [shown])
