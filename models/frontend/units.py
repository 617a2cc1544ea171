"""Units of a scenario file for rates and delays, and the conversion of results to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.times import in_time_unit
from .fields import check_keys, unit

if TYPE_CHECKING:
    import xarray as xr

Result = TypeVar("Result")

TIMES = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "day": 86_400_000_000,
}
"""Units of time, in microseconds."""

RATES = {**{f"1/{time}": time for time in TIMES}, "rps": "s"}
"""Units of rates, with the unit of time of each."""


@dataclass(frozen=True)
class Units:
    """The units of rates and delays in a scenario file.

    The system of a file has the unit of time of the rates. Loads, flows and thresholds therefore
    need no conversion; delays do.

    Parameters
    ----------
    rate : str
        One of ``1/us``, ``1/ms``, ``1/s``, ``1/min``, ``1/h``, ``1/day``, ``rps``.
    delay : str
        One of ``us``, ``ms``, ``s``, ``min``, ``h``, ``day``.

    Examples
    --------
    >>> Units("1/s", "ms").delay_factor, Units("1/h", "min").from_delay(30.0)
    (1000.0, 0.5)
    """

    rate: str
    delay: str

    @property
    def time(self) -> str:
        """Unit of time of the rates and of the system."""
        return RATES[self.rate]

    @cached_property
    def delay_factor(self) -> float:
        """Factor from a time of the system to a delay in the unit of the file."""
        return TIMES[self.time] / TIMES[self.delay]

    @property
    def jobs(self) -> str:
        """Unit of a load in a sentence, such as ``jobs/s`` or ``rps``."""
        return self.rate.replace("1/", "jobs/")

    def from_delay(self, delay: float) -> float:
        """Return a delay in the unit of the file as a time of the system, rounded once."""
        # each unit is a whole multiple of every smaller one
        if self.delay_factor >= 1:
            return delay / self.delay_factor
        return delay * (TIMES[self.delay] // TIMES[self.time])

    def from_rate(self, rate: float, unit: str) -> float:
        """Return a rate given in `unit`, one of `RATES`, in the unit of the file, rounded once."""
        own, other = TIMES[self.time], TIMES[RATES[unit]]
        return rate * (own // other) if own >= other else rate / (other // own)

    def rate_of(self, service_time: float) -> float:
        """Return the rate of a server from its service time, in units of the file, rounded once."""
        if self.delay_factor >= 1:
            return self.delay_factor / service_time
        return 1.0 / self.from_delay(service_time)

    def to_dict(self) -> dict[str, str]:
        """Return the names of the units, for JSON."""
        return {"rate": self.rate, "delay": self.delay}

    def result(self, result: Result) -> Result:
        """Return a copy of a result, such as a `Solution`, with times in the unit of delays."""
        return in_time_unit(result, self.delay_factor)

    def present(self, data: xr.Dataset) -> xr.Dataset:
        """Return a copy of a curve with its times in the unit of delays.

        Parameters
        ----------
        data : xarray.Dataset
            Curve of a system. The attribute ``units`` of a variable is the system's unit of time or
            its reciprocal, or missing.

        Returns
        -------
        xarray.Dataset
            The attributes ``units`` have the names of the file's units; the attributes
            ``rate_unit`` and ``delay_unit`` replace ``time_unit``.
        """
        out = data.copy()
        for name, variable in data.variables.items():
            unit = variable.attrs.get("units")
            if unit == self.time:
                out[name] = variable.copy(data=variable.values * self.delay_factor)
                out[name].attrs["units"] = self.delay
            elif unit == f"1/{self.time}":
                out[name].attrs["units"] = self.rate
        out.attrs = {k: v for k, v in data.attrs.items() if k != "time_unit"} | {
            "rate_unit": self.rate,
            "delay_unit": self.delay,
        }
        return out


def units_of(given: Mapping[str, Any]) -> Units:
    """Return the units of the table ``[units]``; ScenarioError where one is unknown or missing."""
    check_keys(given, ("rate", "delay"), "units.")
    return Units(unit(given, "rate", RATES), unit(given, "delay", TIMES))
