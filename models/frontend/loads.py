"""Loads as people write them, in files and on the command line: a number, a part of the capacity, or a rate with a unit of its own."""

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

# one way to match each text, so that a long one takes no longer than its length
WRITTEN = re.compile(
    r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?:\s*(%|/\s*\w+|[^\W\d]\w*))?", re.ASCII
)
DEFAULT_AT, DEFAULT_CURVE = "50%", {"from": "1%", "to": "99%", "points": 99}


@dataclass(frozen=True)
class Loads:
    """How loads of a scenario are read.

    Parameters
    ----------
    units : Units
        A bare number is in its unit of rates, whatever its size.
    most : float
        Load that none may reach: ``"70%"`` is a part of it. Infinite where no load is too much.
    word : str
        What that load is called.
    check : callable
        Raises InputError on a load that the system cannot carry.
    """

    units: Units
    most: float
    word: str
    check: Callable[[float], float]

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
            A number; or ``"70%"``, ``"0.5/s"``, ``"200 rps"``, ``"30/min"``.
        place : str
            What a message calls it.
        error : type
            What is raised.
        carried : bool, default True
            Whether the system has to be able to carry it: of the loads of a curve it need not, and a load of 0 may be among them.

        Raises
        ------
        InputError
        """
        load = (
            self._amount(value, place, error, carried)
            if isinstance(value, str)
            else read_number(value, place, above=carried)
        )
        return self._checked(load, value, place, error) if carried else load

    def _amount(self, value: str, place: str, error: type[InputError], carried: bool) -> float:
        """What a text says, in the unit of the file's rates."""
        said = WRITTEN.fullmatch(value.strip())
        unit = (said[2] or "").replace(" ", "") if said else ""
        rate = f"1{unit}" if unit.startswith("/") else unit
        if said is None or (unit not in ("", "%") and rate not in RATES):
            raise error(place, value, "is not a load", self.remedy)
        amount = float(said[1])
        if not (0 <= amount < math.inf) or (carried and amount == 0):
            raise error(
                place,
                value,
                f"is not {'above 0' if carried else '0 or more'} and finite",
                self.remedy,
            )
        if unit == "%":
            if math.isinf(self.most):
                raise error(
                    place,
                    value,
                    f"is a part of the {self.word}, which is infinite",
                    f"give {self.units.jobs}, such as 10",
                )
            if carried and amount >= 100:
                raise error(place, value, f"is not below 100% of the {self.word}", self.remedy)
            return amount / 100 * self.most
        return self.units.from_rate(amount, rate) if unit else amount

    @property
    def remedy(self) -> str:
        """How to write a load."""
        below = f" below {self.most:g}" if math.isfinite(self.most) else ""
        part = f", or a part of the {self.word} such as 70%" if math.isfinite(self.most) else ""
        return f"give {self.units.jobs}{below}, a rate with its unit such as 0.5/s{part}"

    def read_all(self, given: Mapping[str, Any]) -> tuple[float, Array]:
        """Return the operating point and the loads of the curve from a table `loads`."""
        check_keys(given, ("at", "curve"), "loads.")
        for key in ("at", "curve"):
            if key not in given and math.isinf(self.most):
                remedy = f"give loads.at and loads.curve in {self.units.jobs}, such as at = 10 and curve = {{ from = 1, to = 20, points = 99 }}"
                raise ScenarioError(
                    f"loads.{key}",
                    None,
                    f"is missing, and by default it is a part of the {self.word}, which is infinite",
                    remedy,
                )
        at = self.read(given.get("at", DEFAULT_AT), "loads.at")
        curve = given.get("curve", DEFAULT_CURVE)
        if isinstance(curve, dict):
            check_keys(curve, ("from", "to", "points"), "loads.curve.")
            start, end = (self._end(curve, key) for key in ("from", "to"))
            points = curve.get("points", DEFAULT_CURVE["points"])
            if (
                not isinstance(points, int)
                or isinstance(points, bool)
                or not 1 <= points <= 1_000_000
            ):
                raise ScenarioError(
                    "loads.curve.points",
                    points,
                    "is not a number of points",
                    "give a whole number from 1 to 1000000",
                )
            values = np.linspace(start, end, points)
            least = "from" if values[0] == values.min() else "to"
            place, said = f"loads.curve.{least}", curve.get(least, DEFAULT_CURVE[least])
        elif isinstance(curve, list) and curve:
            values = np.array(
                [self.read(v, f"loads.curve[{i}]", carried=False) for i, v in enumerate(curve)]
            )
            place, said = f"loads.curve[{values.argmin()}]", curve[values.argmin()]
        else:
            remedy = 'give [1, 2.5], ["10%", "50%"] or { from = "1%", to = "99%", points = 99 }'
            raise ScenarioError("loads.curve", curve, "is not a list of loads", remedy)
        if values.all():  # the least has to be a load that the system carries, where none is idle
            self._checked(float(values.min()), said, place, ScenarioError)
        return at, values

    def _end(self, curve: Mapping[str, Any], key: str) -> float:
        """One end of a curve."""
        if key not in curve and math.isinf(self.most):
            problem = (
                f"is missing, and by default it is a part of the {self.word}, which is infinite"
            )
            raise ScenarioError(
                f"loads.curve.{key}", None, problem, f"give {self.units.jobs}, such as 10"
            )
        return self.read(curve.get(key, DEFAULT_CURVE[key]), f"loads.curve.{key}", carried=False)

    def _checked(self, load: float, value: object, place: str, error: type[InputError]) -> float:
        try:
            return self.check(load)
        except InputError as wrong:
            raise error(place, value, wrong.problem, wrong.remedy) from None
