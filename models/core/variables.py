"""Variables of curves: their names, values, labels, and the role of each.

Every variable has an attribute ``role``, by which plots and reports know its meaning whatever its
name:

===============  ==========================================================================
``"delay"``      mean delay of an answer
``"beside"``     another delay, for comparison
``"ratio"``      ratio of two mean delays
``"part"``       number between 0 and 1
``"gap"``        certified relative error; infinite without an answer
``"certified"``  whether the gap meets the required gap
``"bound"``      certified bound of another variable
``"price"``      multiplier, such as the marginal delay
``"flow"``       flow of each server
``"each"``       delay of each group of users or mode, which pictures leave out
``"share"``      share of the load or of a server's capacity
``"number"``     number of servers of each pool
``"money"``      money per unit of time
``"open"``       whether each server has jobs
===============  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...reference.errors import Array
from .ratio import ratios
from .table import Mask, Table

if TYPE_CHECKING:
    import xarray as xr

BESIDE_LIMIT = 2.0  # multiple of the largest answer up to which delays beside the answers are drawn
DRAWN = ("delay", "beside", "ratio", "part")
ANARCHY = {
    "price_of_anarchy": "price of anarchy",
    "price_of_anarchy_lower": "certified lower bound of the price of anarchy",
    "price_of_anarchy_upper": "certified upper bound of the price of anarchy",
}

Role = Literal[
    "delay",
    "beside",
    "ratio",
    "part",
    "gap",
    "certified",
    "bound",
    "price",
    "flow",
    "each",
    "share",
    "number",
    "money",
    "open",
]
Variable = tuple[Sequence[str], Any, dict[str, str]]
"""Dimensions, values and attributes of a variable, as `xarray` takes them."""
Rows = Mapping[str, Any]  # a `Table` of answers for each question


@dataclass(frozen=True, eq=False)
class Delays(Table):
    """Mean delays of K answers with their certificates; each column has the shape (K, ...).

    Attributes
    ----------
    mean_delay : ndarray
        Mean delays, in the unit of time of the system.
    lower_bound, upper_bound : ndarray
        Bounds of the true mean delays.
    gap : ndarray
        Certified relative errors.
    certified : ndarray of bool
        Whether the gaps meet the required gap.
    """

    mean_delay: Array
    lower_bound: Array
    upper_bound: Array
    gap: Array
    certified: Mask

    @classmethod
    def beside(cls, tables: Sequence[Any]) -> Delays:
        """Return the delays of several tables side by side, shape (K, number of tables)."""
        return cls(
            *(np.stack([getattr(t, field.name) for t in tables], axis=-1) for field in fields(cls))
        )


def variable(
    values: Any,
    long_name: str,
    role: Role,
    dims: Sequence[str] = ("load",),
    units: str | None = None,
) -> Variable:
    """Return a variable of a dataset with its attributes.

    Parameters
    ----------
    values : array_like
        Its values over the dimensions `dims`.
    long_name : str
        Label on axes and in tables.
    role : str
        Its meaning; see `sojourn.models.core.variables`.
    dims : sequence of str
        Names of its dimensions.
    units : str, optional
        Its unit; None for a number without a unit.
    """
    attrs = {"long_name": long_name, "role": str(role)}
    return dims, values, attrs if units is None else {**attrs, "units": units}


def answers(
    rows: Any,
    time_unit: str,
    name: str = "",
    what: str = "mean delay",
    dims: Sequence[str] = ("load",),
) -> dict[str, Variable]:
    """Return the variables ``delay``, ``gap`` and ``certified`` of one question.

    Parameters
    ----------
    rows : Table
        Its answers, with the columns ``mean_delay``, ``gap`` and ``certified``.
    time_unit : str
        Unit of the delays.
    name : str
        Name of the question; ``"optimum"`` makes ``optimum_delay`` and so on.
    what : str
        Label of the delay.
    dims : sequence of str
        Dimensions of the columns.
    """
    delay, gap, certified = (
        f"{name}_{what}" if name else what for what in ("delay", "gap", "certified")
    )
    variables = {
        delay: variable(rows.mean_delay, what, "delay", dims, time_unit),
        gap: variable(rows.gap, "certified relative error of the mean delay", "gap", dims),
        certified: variable(
            rows.certified, "whether the gap is the one asked for", "certified", dims
        ),
    }
    # by the CF conventions, an attribute names the variables on the quality of another
    variables[delay][-1]["ancillary_variables"] = f"{gap} {certified}"
    return variables


def anarchy(selfish: Any, best: Any, dims: Sequence[str] = ("load",)) -> dict[str, Variable]:
    """Return the variables of the price of anarchy and its bounds.

    Parameters
    ----------
    selfish, best : Table
        Answers of the equilibrium and of the optimum, with ``mean_delay``, ``lower_bound`` and
        ``upper_bound``.
    dims : sequence of str
        Dimensions of the columns.
    """
    values = ratios(
        *((side.mean_delay, side.lower_bound, side.upper_bound) for side in (selfish, best))
    )
    roles: tuple[Role, ...] = ("ratio", "bound", "bound")
    return {
        name: variable(v, ANARCHY[name], role, dims)
        for name, v, role in zip(ANARCHY, values, roles, strict=True)
    }


def by_role(data: xr.Dataset, *roles: str) -> list[str]:
    """Return the names of the variables that have one of the roles."""
    return [str(name) for name in data.data_vars if data.variables[name].attrs.get("role") in roles]


def columns_of(
    data: xr.Dataset, roles: Sequence[str], over: str = "load"
) -> list[tuple[str, dict[str, Any], Array]]:
    """Return the lines of a picture of a curve.

    Parameters
    ----------
    data : xarray.Dataset
        The curve.
    roles : sequence of str
        Roles of the variables to draw.
    over : str
        Dimension of the horizontal axis, of length K.

    Returns
    -------
    list of tuple
        For each line the name of its variable, its coordinates along the other dimensions, and its
        values, shape (K,). Delays beside the answers are NaN where they exceed twice the largest
        answer.
    """
    delays = [data[name].values for name in by_role(data, "delay")]
    largest = max((np.fmax.reduce(d, axis=None, initial=-np.inf) for d in delays), default=np.inf)
    lines: list[tuple[str, dict[str, Any], Array]] = []
    for name in by_role(data, *roles):
        if over not in data[name].dims:
            continue
        others = [str(d) for d in data[name].dims if d != over]
        values = data[name].transpose(over, *others).values
        if data[name].attrs["role"] == "beside":
            values = np.where(values <= BESIDE_LIMIT * largest, values, np.nan)
        for place in np.ndindex(values.shape[1:]):
            coordinates = {d: data[d].values[i] for d, i in zip(others, place, strict=True)}
            lines.append((name, coordinates, values[(slice(None), *place)]))
    return lines


def default_variables(time_unit: str, rows: Rows) -> dict[str, Variable]:
    """Return the variables of `answers` for each question, and the price of anarchy."""
    variables: dict[str, Variable] = {}
    for name, table in rows.items():
        label = f"mean delay, {name}" if name else "mean delay"
        variables |= answers(table, time_unit, name, label)
    if {"equilibrium", "optimum"} <= rows.keys():
        variables |= anarchy(rows["equilibrium"], rows["optimum"])
    return variables
