"""Loads in files and on the command line: a number, a percentage, or a rate with a unit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...reference.errors import Array, InputError
from .fields import ScenarioError, check_keys, read_number
from .units import RATES, Units

# the pattern matches a text in one way only, so that matching takes linear time
LOAD_PATTERN = re.compile(
    r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?:\s*(%|/\s*\w+|[^\W\d]\w*))?", re.ASCII
)
DEFAULT_AT, DEFAULT_CURVE = "50%", {"from": "1%", "to": "99%", "points": 99}
OWN_CURVE = {**DEFAULT_CURVE, "to": "200%"}  # of the own load, where no load is too much


@dataclass(frozen=True)
class Loads:
    """The loads of a scenario: their unit, their upper limit, and their check.

    Parameters
    ----------
    units : Units
        Units of the file; a number without a unit is in its unit of rates.
    most : float
        Load that the system must stay below; ``"70%"`` is a percentage of it. It may be infinite:
        then percentages are of `own`.
    word : str
        Name of this limit in messages, such as ``"total rate"``.
    check : callable
        Function of a load that raises InputError where the system cannot carry it.
    own : float, optional
        Load that the file states of the system itself, such as the sum of its groups' loads. It is
        the default operating point.
    """

    units: Units
    most: float
    word: str
    check: Callable[[float], float]
    own: float | None = None

    def read(
        self,
        value: object,
        place: str,
        error: type[InputError] = ScenarioError,
        *,
        carried: bool = True,
    ) -> float:
        """Return a load in the unit of the file's rates.

        Parameters
        ----------
        value : float or str
            A number, or a text such as ``"70%"``, ``"0.5/s"``, ``"200 rps"`` or ``"30/min"``.
        place : str
            Place of the value in the file, for messages.
        error : type
            Class of the error.
        carried : bool, default True
            Whether the system must be able to carry the load. The loads of a curve need not be
            carried, and can be 0.

        Raises
        ------
        InputError
            Where the value is not a load, or must be carried and cannot.
        """
        if isinstance(value, str):
            load = self._parse(value, place, error, carried)
        else:
            load = read_number(value, place, above=carried)
        return self._checked(load, value, place, error) if carried else load

    def _parse(self, value: str, place: str, error: type[InputError], carried: bool) -> float:
        """Return the load of a text, in the unit of the file's rates."""
        match = LOAD_PATTERN.fullmatch(value.strip())
        unit = (match[2] or "").replace(" ", "") if match else ""
        rate = f"1{unit}" if unit.startswith("/") else unit
        if match is None or (unit not in ("", "%") and rate not in RATES):
            raise error(place, value, "is not a load", self.remedy)
        amount = float(match[1])
        if not (0 <= amount < math.inf) or (carried and amount == 0):
            problem = f"is not {'above 0' if carried else '0 or more'} and finite"
            raise error(place, value, problem, self.remedy)
        if unit == "%":
            if self._whole is None:
                problem = f"is a part of the {self.word}, which is infinite"
                raise error(place, value, problem, f"give {self.units.jobs}, such as 10")
            if carried and amount >= 100 and math.isfinite(self.most):
                raise error(place, value, f"is not below 100% of the {self.word}", self.remedy)
            return amount / 100 * self._whole
        return self.units.from_rate(amount, rate) if unit else amount

    @property
    def _whole(self) -> float | None:
        """Load that percentages are parts of: the largest, or the own one if that is infinite."""
        return self.most if math.isfinite(self.most) else self.own

    @property
    def remedy(self) -> str:
        """Last sentence of a message about a wrong load: how to write one."""
        finite = math.isfinite(self.most)
        below, whole = (f" below {self.most:g}", self.word) if finite else ("", "file's own load")
        part = "" if self._whole is None else f", or a part of the {whole} such as 70%"
        return f"give {self.units.jobs}{below}, a rate with its unit such as 0.5/s{part}"

    def read_all(self, given: Mapping[str, Any]) -> tuple[float, Array]:
        """Return the operating point and the loads of the curve from the table ``[loads]``.

        Parameters
        ----------
        given : mapping
            The table, with the keys ``at`` and ``curve``. By default, ``at`` is the own load, or
            `DEFAULT_AT`; ``curve`` is `DEFAULT_CURVE`, or `OWN_CURVE` where no load is too much.

        Returns
        -------
        at : float
            The operating point.
        values : ndarray, shape (K,)
            Loads of the curve.

        Raises
        ------
        ScenarioError
            Where a key is unknown or a load is wrong.
        """
        check_keys(given, ("at", "curve"), "loads.")
        for key in ("at", "curve"):
            if key not in given and self._whole is None:
                remedy = (
                    f"give loads.at and loads.curve in {self.units.jobs}, such as at = 10 "
                    "and curve = { from = 1, to = 20, points = 99 }"
                )
                raise ScenarioError(f"loads.{key}", None, self._no_default, remedy)
        at = self.read(given.get("at", self.own or DEFAULT_AT), "loads.at")
        curve = given.get("curve", self._default_curve)
        if isinstance(curve, dict):
            check_keys(curve, ("from", "to", "points"), "loads.curve.")
            start, end = (self._end(curve, key) for key in ("from", "to"))
            points = curve.get("points", DEFAULT_CURVE["points"])
            is_integer = isinstance(points, int) and not isinstance(points, bool)
            if not is_integer or not 1 <= points <= 1_000_000:
                remedy = "give a whole number from 1 to 1000000"
                problem = "is not a number of points"
                raise ScenarioError("loads.curve.points", points, problem, remedy)
            values = np.linspace(start, end, points)
            least = "from" if values[0] == values.min() else "to"
            place = f"loads.curve.{least}"
            given_least = curve.get(least, self._default_curve[least])
        elif isinstance(curve, list) and curve:
            values = np.array(
                [self.read(v, f"loads.curve[{i}]", carried=False) for i, v in enumerate(curve)]
            )
            place, given_least = f"loads.curve[{values.argmin()}]", curve[values.argmin()]
        else:
            remedy = 'give [1, 2.5], ["10%", "50%"] or { from = "1%", to = "99%", points = 99 }'
            raise ScenarioError("loads.curve", curve, "is not a list of loads", remedy)
        if values.all():  # the system must carry the least load, unless that is 0
            self._checked(float(values.min()), given_least, place, ScenarioError)
        return at, values

    def _end(self, curve: Mapping[str, Any], key: str) -> float:
        """Return the first or the last load of a curve."""
        if key not in curve and self._whole is None:
            remedy = f"give {self.units.jobs}, such as 10"
            raise ScenarioError(f"loads.curve.{key}", None, self._no_default, remedy)
        end = curve.get(key, self._default_curve[key])
        return self.read(end, f"loads.curve.{key}", carried=False)

    @property
    def _default_curve(self) -> Mapping[str, Any]:
        """Curve where the file has none."""
        return DEFAULT_CURVE if math.isfinite(self.most) else OWN_CURVE

    @property
    def _no_default(self) -> str:
        """Problem of a missing load whose default is a percentage of an infinite limit."""
        return f"is missing, and by default it is a part of the {self.word}, which is infinite"

    def _checked(self, load: float, value: object, place: str, error: type[InputError]) -> float:
        """Return a load; an error that names the value as it was given where it is not carried."""
        try:
            return self.check(load)
        except InputError as wrong:
            raise error(place, value, wrong.problem, wrong.remedy) from None
