"""M/M/1, M/D/1 and M/G/1 servers in numbers, by NumPy.

The classes of the same names in `sojourn.models` are subclasses that add the cones of CVXPY.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .bank_fields import check_servers
from .errors import Array
from .pollaczek_khinchine import OneVariability, PollaczekKhinchine


class MM1(OneVariability):
    """M/M/1 servers in numbers, by NumPy; `sojourn.models.MM1` adds the cones of CVXPY.

    The latency is l(x) = delay + 1/(rate - x); eq. (20) of Mancuso et al.

    Parameters
    ----------
    rate : array_like, shape (n,) or ()
        Service rates mu > 0, jobs per unit of time.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays d >= 0, in the unit of time. A single number holds for all servers.

    Raises
    ------
    InputError
        On a rate that is not above 0, a negative delay, a number that is not finite, or arrays of
        different lengths; the error names the field, the index and the value.

    Examples
    --------
    >>> MM1(rate=[100.0, 80.0], delay=0.005).latency([50.0, 0.0])
    array([0.025 , 0.0175])
    """

    _one_cv = 1.0


class MD1(OneVariability):
    """M/D/1 servers in numbers, by NumPy; `sojourn.models.MD1` adds the cones of CVXPY.

    The latency is l(x) = delay + 1/rate + x / (2 rate (rate - x)): that of `MG1` with cv = 0.

    Parameters
    ----------
    rate : array_like, shape (n,) or ()
        Service rates mu > 0, jobs per unit of time.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays d >= 0, in the unit of time. A single number holds for all servers.

    Raises
    ------
    InputError
        On a rate that is not above 0, a negative delay, a number that is not finite, or arrays of
        different lengths; the error names the field, the index and the value.

    Examples
    --------
    >>> MD1(rate=100.0).latency([50.0])
    array([0.015])
    """

    _one_cv = 0.0


@dataclass(frozen=True, eq=False)
class MG1(PollaczekKhinchine):
    """M/G/1 servers in numbers, by NumPy; `sojourn.models.MG1` adds the cones of CVXPY.

    The latency is l(x) = delay + 1/rate + (1 + cv^2)/2 x / (rate (rate - x)); eq. (28) of Mancuso
    et al.

    Parameters
    ----------
    rate : array_like, shape (n,) or ()
        Service rates mu > 0, jobs per unit of time.
    cv : array_like, shape (n,) or ()
        Coefficients of variation of the service time >= 0: standard deviation over mean.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays d >= 0, in the unit of time. A single number holds for all servers.

    Raises
    ------
    InputError
        On a rate that is not above 0, a negative cv or delay, a number that is not finite, or
        arrays of different lengths; the error names the field, the index and the value.

    Examples
    --------
    >>> MG1(rate=100.0, cv=3.0).latency([50.0])
    array([0.06])
    """

    rate: Any
    cv: Any
    delay: Any = 0.0

    def __post_init__(self) -> None:
        check_servers(self, "cv")

    @cached_property
    def k(self) -> Array:
        """Variability (1 + cv^2)/2, shape (n,)."""
        return np.asarray((1.0 + self.cv**2) / 2.0)
