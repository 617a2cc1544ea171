"""The mean delay of a given split, compared with the exact optimum and equilibrium.

No solver runs: optimum and equilibrium are closed forms, each with a certificate of its flow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.parallel import optimum_equilibrium as exact
from ....reference.parallel.decisions.percentile import percentile_of
from ....reference.plural import counted
from ....reference.server_bank import ServerBank
from ....reference.validation import as_floats, raise_at_first
from ...core.ratio import ROUNDING, BoundedValue, Ratio, within
from ...core.solution import SUM, Compared, finite, finite_or_none
from .certificate import Certificate, certify
from .dual_bounds import EPS
from .prices import Goal
from .solution import ServerSplit

if TYPE_CHECKING:
    from .system import ParallelServers

WAYS = ("flow", "share", "weights")
REMEDY = "give flow=, share= or weights="


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation(ServerSplit, Compared):
    """A given split of the load, with its mean delay and its distance from the optimum.

    It also has the attributes of `ServerSplit` (``load``, ``names``, ``flow``, ``share``,
    ``latency``, ``caveats``) and of `sojourn.models.core.solution.Compared` (``mean_delay``,
    ``overloaded``, ``stable``, ``optimum_delay``, ``equilibrium_delay``, ``ratio``, ``loss``).

    Attributes
    ----------
    utilisation : ndarray, shape (n,)
        Flow divided by rate; 0 where the rate is infinite.
    deviation_gain : float
        Largest decrease of latency that a user gets by moving to another server; 0 at an
        equilibrium.
    move : tuple of str, or None
        The two servers of that move, from and to; None where no move gains.
    certificate : Certificate
        Bounds of the least mean delay; ``gap`` is the largest relative distance that this split
        can have from it.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> even = ParallelServers(MM1(rate=[10.0, 5.0])).evaluate(load=9.0, share=[0.5, 0.5])
    >>> round(even.mean_delay, 4), round(even.ratio, 4), even.move
    (1.0909, 3.4365, ('server 2', 'server 1'))
    """

    utilisation: Array
    deviation_gain: float
    move: tuple[str, str] | None
    certificate: Certificate

    times: ClassVar[tuple[str, ...]] = (*Compared.times, "latency", "deviation_gain")

    def __repr__(self) -> str:
        lines = self._comparison("split")
        if self.move is not None:
            gain, (start, end) = f"{self.deviation_gain:.6g}", self.move
            lines.append(f"  a user gains {gain} by moving from {start} to {end}")
        lines += self._lines("busy", self.utilisation)
        lines += self._instability()
        return "\n".join(lines + [f"  but {caveat}" for caveat in self.caveats])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; infinite numbers are None."""
        return {
            **super().to_dict(),
            "deviation_gain": finite_or_none(self.deviation_gain),
            "move": None
            if self.move is None
            else dict(zip(("from", "to"), self.move, strict=True)),
            "servers": self._servers(utilisation=self.utilisation.tolist()),
            "certificate": finite(vars(self.certificate)),
            "caveats": list(self.caveats),
        }


def evaluate(
    system: ParallelServers, load: float, given: dict[str, npt.ArrayLike | None]
) -> Evaluation:
    """Return the evaluation of a split, given as flow, share or weights.

    See `ParallelServers.evaluate`.
    """
    load = system.check_load(load)
    flow = flow_of(system, load, given)
    bank = system.bank
    latency, full, used = bank.latency(flow), bank.spare_capacity(flow) <= 0, flow > 0
    # an unused server adds nothing to the mean, even where its latency is infinite
    mean = math.fsum((flow * np.where(used, latency, 0.0)).tolist()) / math.fsum(flow.tolist())
    # the flows, and so the spare capacities, are exact only up to the rounding of floats
    rounding = 4 * EPS * (_mean_marginal(system, flow) / mean if mean else 0.0)
    delay = within(mean, ROUNDING + rounding)
    best, selfish = (exact_delay(bank, load, goal) for goal in ("optimum", "equilibrium"))
    own = certify(bank, load, flow, "optimum")
    fastest, slowest = int(np.argmin(latency)), int(np.argmax(np.where(used, latency, -np.inf)))
    gain = float(latency[slowest] - latency[fastest])
    gains = gain > ROUNDING * latency[slowest]
    return Evaluation(
        load=load,
        names=system.names,
        flow=flow,
        share=flow / load,
        latency=latency,
        utilisation=np.where(np.isfinite(bank.rate), bank.utilisation(flow), 0.0),
        mean_delay=delay,
        overloaded=tuple(np.array(system.names, dtype=object)[full]),
        optimum_delay=best,
        equilibrium_delay=selfish,
        deviation_gain=gain,
        move=(system.names[slowest], system.names[fastest]) if gains else None,
        certificate=replace(
            own,
            mean_delay=float(delay),
            lower_bound=best.lower,
            upper_bound=best.upper,
            gap=Ratio.to(delay, best).upper - 1,
            deviation_gain=gain,
        ),
        caveats=tuple(bank.caveats(flow, system.names)),
        percentile_at=partial(percentile_of, bank, flow),
    )


def exact_delay(bank: ServerBank, load: float, goal: Goal) -> BoundedValue:
    """Return the mean delay of the exact optimum or equilibrium, with certified bounds."""
    split = getattr(exact, goal)(bank, load)
    proof = certify(bank, load, split.flow, goal)
    return bounded(float(split.mean_delay), proof)


def bounded(mean_delay: float, proof: Certificate) -> BoundedValue:
    """Return a mean delay with the bounds of its certificate, and of rounding errors."""
    return BoundedValue(
        mean_delay,
        min(proof.lower_bound, mean_delay) * (1 - ROUNDING),
        max(proof.upper_bound, mean_delay) * (1 + ROUNDING),
    )


def _mean_marginal(system: ParallelServers, flow: Array) -> float:
    """Mean marginal delay of a job: the change of the mean delay as all flows grow."""
    with np.errstate(all="ignore"):
        return float(np.sum(flow * system.bank.marginal(flow)) / np.sum(flow))


def flow_of(system: ParallelServers, load: float, given: dict[str, npt.ArrayLike | None]) -> Array:
    """Flow of each server, from the one of flow, share and weights that is given."""
    present = [name for name in WAYS if given[name] is not None]
    if len(present) != 1:
        raise InputError("evaluate", present, "is not one way to give a split", REMEDY)
    (name,) = present
    parts = as_floats(name, given[name])
    if parts.shape != (len(system),):
        shape = f"an array of shape {parts.shape}"
        count = counted(parts.size, "number") if parts.ndim == 1 else shape
        names = ", ".join(system.names[:12]) + (", ..." if len(system) > 12 else "")
        remedy = f"give {counted(len(system), 'number')}, one a server: {names}"
        problem = f"is {count} for {counted(len(system), 'server')}"
        raise InputError(name, parts.tolist(), problem, remedy)
    raise_at_first(
        name,
        parts,
        np.isfinite(parts),
        "is not a finite number",
        "give a number, 0 for a server that is not used",
    )
    raise_at_first(
        name, parts, parts >= 0, "is negative", "give a number, 0 for a server that is not used"
    )
    if not parts.any():
        raise InputError(
            name, parts.tolist(), "is 0 for all servers", "give at least one a number above 0"
        )
    scaled = parts / parts.max()  # their sum is finite whatever the weights are
    whole = math.fsum(scaled.tolist())
    divided: Array = load * (scaled / whole)
    if name == "weights":
        return divided
    required, total = load if name == "flow" else 1.0, whole * float(parts.max())
    if not abs(total - required) <= SUM * required:
        what = f"the load {required:.12g}" if name == "flow" else "1"
        remedy = f"give weights= for numbers of any sum, or a {name} that fits"
        raise InputError(name, parts.tolist(), f"sums to {total:.12g}, not to {what}", remedy)
    if name == "flow" and abs(math.fsum([*parts.tolist(), -load])) <= 2 * EPS * load:
        return parts  # flows that already sum to the load keep all their digits
    return divided
