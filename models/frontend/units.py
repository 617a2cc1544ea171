"""Units of a scenario file: those of rates and delays, and results in them."""

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
"""Units of rates, and the unit of time of each."""


@dataclass(frozen=True)
class Units:
    """Units in which a file gives rates and delays, by name.

    A system is built in the unit of time of its rates, so loads, flows and thresholds need no conversion; delays do.

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
        """Unit of time of the rates: that of the system."""
        return RATES[self.rate]

    @cached_property
    def delay_factor(self) -> float:
        """From a time of the system to a delay of the file."""
        return TIMES[self.time] / TIMES[self.delay]

    @property
    def jobs(self) -> str:
        """Unit of a load in a sentence: ``jobs/s``, or ``rps``."""
        return self.rate.replace("1/", "jobs/")

    def from_delay(self, delay: float) -> float:
        """Return a delay of the file as a time of the system, rounded once."""
        # each unit is a whole number of every smaller one
        return (
            delay / self.delay_factor
            if self.delay_factor >= 1
            else delay * (TIMES[self.delay] // TIMES[self.time])
        )

    def from_rate(self, rate: float, unit: str) -> float:
        """Return a rate in `unit`, one of `RATES`, as one of the system, rounded once."""
        here, there = TIMES[self.time], TIMES[RATES[unit]]
        return rate * (here // there) if here >= there else rate / (there // here)

    def rate_of(self, service_time: float) -> float:
        """Return the rate, in the file's unit, of a server with a service time in the file's unit of delays; rounded once."""
        return (
            self.delay_factor / service_time
            if self.delay_factor >= 1
            else 1.0 / self.from_delay(service_time)
        )

    def to_dict(self) -> dict[str, str]:
        """Return the names, ready for JSON."""
        return {"rate": self.rate, "delay": self.delay}

    def result(self, result: Result) -> Result:
        """Return a copy of a result, such as a `Solution`, with its times in the unit of delays; see `in_time_unit`."""
        return in_time_unit(result, self.delay_factor)

    def present(self, data: xr.Dataset) -> xr.Dataset:
        """Return a copy of a dataset with its times in the unit of delays, and the names of this file's units.

        Parameters
        ----------
        data : xarray.Dataset
            Of the system: the attribute ``units`` of a variable or coordinate is the system's unit of time, its reciprocal, or missing.

        Returns
        -------
        xarray.Dataset
            With the attributes ``rate_unit`` and ``delay_unit`` in place of ``time_unit``.
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
    """Return the units that a table `units` names."""
    check_keys(given, ("rate", "delay"), "units.")
    return Units(unit(given, "rate", RATES), unit(given, "delay", TIMES))
