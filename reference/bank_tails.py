"""Late jobs of banks of servers, a part of `sojourn.reference.ServerBank`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import Array
from .guards import guard
from .tails import NO_TAIL, LateJobs, check_tails

ArrayLike = npt.ArrayLike


class BankTails:
    """Probability that a job is late at each server of a bank, and that it waits too long."""

    rate: Array
    delay: Array

    if TYPE_CHECKING:  # of `ServerBank`

        def __len__(self) -> int: ...

        def _point(
            self, flow: ArrayLike, spare_capacity: ArrayLike | None = None
        ) -> tuple[Array, Array]: ...

    @property
    def tail_kind(self) -> tuple[str, ...]:
        """How well `late_jobs` is known, n words: "exact", "approximation", or "" for not at all.

        A family that gives `_late` and `_late_wait` gives this, too.
        """
        return (NO_TAIL,) * len(self)

    def late_jobs(
        self, flow: ArrayLike, time: ArrayLike, spare_capacity: ArrayLike | None = None
    ) -> LateJobs:
        """Return the probability that a job is late at each server, with its derivatives.

        A job is late if its time at a server, the network delay included, is longer than `time`.
        The probability P rises with the flow x, and x P is convex in it.

        Parameters
        ----------
        flow : array_like, shape (..., n)
            Load x of each server, jobs per unit of time.
        time : array_like, shape (..., n) or ()
            Time after which a job is late; up to the delay all jobs are.
        spare_capacity : array_like, shape (..., n), optional
            ``rate - flow``, where it is known better than by subtraction.

        Returns
        -------
        LateJobs
            At and above the rate all jobs are late.

        Raises
        ------
        InputError
            On a family without this probability; see `tail_kind`.
        """
        at_server = np.asarray(time, dtype=np.float64) - self.delay
        return self._tail(self._late, flow, at_server, spare_capacity, at_server > 0)

    def late_waits(
        self, flow: ArrayLike, time: ArrayLike, spare_capacity: ArrayLike | None = None
    ) -> LateJobs:
        """Return the probability that a job waits for service longer than `time`.

        The time of service and the network delay do not count. Parameters and errors are those of
        `late_jobs`.
        """
        time = np.asarray(time, dtype=np.float64)
        return self._tail(self._late_wait, flow, time, spare_capacity, time >= 0)

    def _tail(
        self,
        method: Callable[[Array, Array, Array], LateJobs],
        flow: ArrayLike,
        time: Array,
        spare_capacity: ArrayLike | None,
        later: Any,
    ) -> LateJobs:
        """Return a method's tail where there is spare capacity and `later` holds, elsewhere 1."""
        check_tails(self)  # type: ignore[arg-type]
        flow, spare_capacity = self._point(flow, spare_capacity)
        shape = np.broadcast_shapes(flow.shape, time.shape, spare_capacity.shape, self.delay.shape)
        flow, time, spare_capacity, later = (
            np.broadcast_to(v, shape) for v in (flow, time, spare_capacity, later)
        )
        some, ever = later & (spare_capacity > 0), np.isfinite(time)
        with np.errstate(all="ignore"):
            found = method(
                np.where(some, flow, 0.0),
                np.where(some & ever, time, 1.0 / self.rate),
                np.where(some, spare_capacity, self.rate),
            )
        filled = zip(found, (1.0, 0.0, 0.0), strict=True)
        return LateJobs(*(np.where(some, np.where(ever, v, 0.0), full) for v, full in filled))

    def _late(self, flow: Array, at_server: Array, spare_capacity: Array) -> LateJobs:
        """Return `late_jobs` at flows below the rate and times above the delay, less the delay."""
        raise NotImplementedError

    def _late_wait(self, flow: Array, wait: Array, spare_capacity: Array) -> LateJobs:
        """Return `late_waits` at flows below the rate and times from 0 on."""
        raise NotImplementedError


guard(BankTails)
