"""One server, first come, first served, by Lindley's recursion without a loop.

The wait of job n is W_n = max(0, W_{n-1} + S_{n-1} - A_n) with the service S of the job before and
the gap A (D. V. Lindley, *The theory of queues with a single server*, 1952). With the sums C_n of
S_{n-1} - A_n it is C_n less the least of 0, C_1, ..., C_n. From chunk to chunk one number is
carried: the work that is left.
"""

from __future__ import annotations

import numpy as np

from ...reference.errors import Array


class Lindley:
    """Waits at one server, chunk by chunk.

    Examples
    --------
    >>> Lindley().waits(np.array([1.0, 1.0, 3.0]), np.array([2.0, 1.5, 1.0]))
    array([0., 1., 0.])
    """

    def __init__(self) -> None:
        self.left = 0.0  # work that the server has just after the last job came

    def waits(self, gap: Array, work: Array) -> Array:
        """Return the waits of further jobs, shape (n,).

        Parameters
        ----------
        gap : ndarray, shape (n,)
            Time since the job before came.
        work : ndarray, shape (n,)
            Time of service.
        """
        wait = np.empty_like(gap)
        wait[0] = self.left
        wait[1:] = work[:-1]
        wait -= gap
        np.cumsum(wait, out=wait)
        least = np.minimum.accumulate(wait)
        np.minimum(least, 0.0, out=least)
        wait -= least
        self.left = float(wait[-1] + work[-1])
        return wait
