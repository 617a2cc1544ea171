"""Whether numbers can be those of a latency: finite, never falling, convex."""

from __future__ import annotations

import numpy as np

from sojourn.reference.errors import Array, InputError

ROUNDING = 1e-9  # of a value, that may look like a fall or a dent


def check_shape(name: str, x: Array, y: Array, *, bounded: bool) -> None:
    """Raise InputError on the first of rising loads `x` at which the latencies `y` are not finite, negative, falling or not convex."""
    if not bounded:  # far out an unbounded load may be too much for a float
        x, y = x[: max(2, int(np.argmin(np.isfinite(y))) or len(y))], y[: max(2, int(np.argmin(np.isfinite(y))) or len(y))]
    if np.any(bad := ~np.isfinite(y)):
        k = int(np.argmax(bad))
        raise InputError(name, float(y[k]), f"at load {x[k]:.6g} is not finite", "give its rate, the load that it must stay below")
    if np.any(bad := y < 0):
        k = int(np.argmax(bad))
        raise InputError(name, float(y[k]), f"at load {x[k]:.6g} is a negative latency", "give a latency of 0 or more")
    if np.any(bad := y[1:] < y[:-1] * (1 - ROUNDING)):
        k = int(np.argmax(bad))
        raise InputError(name, float(y[k + 1]), f"at load {x[k + 1]:.6g} falls from {y[k]:.6g} at {x[k]:.6g}", "a latency must not fall")
    rise = np.diff(y) / np.diff(x)
    noise = ROUNDING * (rise[:-1] + rise[1:]) + 1e-14 * y[1:-1] / np.minimum(np.diff(x)[:-1], np.diff(x)[1:])
    if np.any(bad := rise[1:] < rise[:-1] - noise):
        k = int(np.argmax(bad))
        problem = f"at load {x[k + 1]:.6g} is not convex: it rises by {rise[k]:.6g} a job before and {rise[k + 1]:.6g} after"
        raise InputError(name, float(y[k + 1]), problem, "a latency must be convex; fit one with Measured")
