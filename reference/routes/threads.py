"""One thread for the linear algebra of systems whose matrices are too small for several."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

LARGE = 2000  # stations above which several threads are faster


def one_thread(stations: int) -> AbstractContextManager[Any]:
    """Return a context in which BLAS uses one thread, unless there are many stations.

    NumPy and SciPy each bring a BLAS with as many threads as there are cores. On matrices of some
    hundred rows these threads mostly wait for each other, and they do so at full speed: on a
    machine of two cores with other work, the equilibrium of the 76 links of SiouxFalls took 486 ms
    of processor time in place of 81 ms. The optional threadpoolctl changes their number; without it
    the environment variable ``OPENBLAS_NUM_THREADS=1`` does.

    Parameters
    ----------
    stations : int
        Number of stations: no matrix has more rows.
    """
    controller = _controller()
    few = controller is not None and stations <= LARGE
    return controller.limit(limits=1) if few else nullcontext()


@cache
def _controller() -> Any:
    """Return the controller of the threads of NumPy and SciPy, or None without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    import scipy.linalg  # noqa: F401  # it finds libraries that are loaded; this takes 6 ms

    return ThreadpoolController()
