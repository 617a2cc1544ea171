"""What a split that somebody already has costs: against the exact optimum, and for a user who could move. No solver is asked."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.parallel import optimum_equilibrium as exact
from ....reference.validation import as_floats, raise_at_first
from ...core.ratio import ROUNDING, BoundedValue, Ratio, excess, within
from ...core.solution import SUM, Evaluated, finite, finite_or_none
from .certificate import EPS, Certificate, certify
from .prices import Goal
from .solution import ServerSplit

if TYPE_CHECKING:
    from .system import ParallelServers

WAYS = ("flow", "share", "weights")
REMEDY = "give flow=, share= or weights="


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation(ServerSplit, Evaluated):
    """A split of the load, judged; `ServerSplit` and `Evaluated` say what else it has.

    Attributes
    ----------
    utilisation : ndarray, shape (n,)
        Flow over rate; 0 where the rate is infinite.
    optimum_delay, equilibrium_delay : Bounded
        Mean delays of the optimum and the equilibrium at this load, in closed form, with ``lower`` and ``upper`` from a certificate.
    ratio : Ratio
        Mean delay over the least, >= 1, with ``lower`` and ``upper``.
    loss : Bounded
        Mean delay beyond the least, >= 0, with ``lower`` and ``upper``.
    deviation_gain : float
        Most that a user gains by moving to another server; 0 at an equilibrium.
    move : tuple of str or None
        The server that this user leaves, and the one moved to; None where nobody gains.
    certificate : Certificate
        The least mean delay lies between its bounds; its gap is the largest relative distance that this split can have to it.
    """

    utilisation: Array
    optimum_delay: BoundedValue
    equilibrium_delay: BoundedValue
    ratio: Ratio
    loss: BoundedValue
    deviation_gain: float
    move: tuple[str, str] | None
    certificate: Certificate

    bounded: ClassVar[tuple[str, ...]] = (
        "mean_delay",
        "optimum_delay",
        "equilibrium_delay",
        "ratio",
        "loss",
    )
    times: ClassVar[tuple[str, ...]] = (
        "latency",
        "mean_delay",
        "optimum_delay",
        "equilibrium_delay",
        "loss",
        "deviation_gain",
    )

    def __repr__(self) -> str:
        lines = [
            f"split at load {self.load:g}: mean delay {self.mean_delay:.9g}, {_against(self.ratio)}"
        ]
        lines.append(
            f"  optimum {self.optimum_delay:.9g}, equilibrium {self.equilibrium_delay:.9g}"
        )
        if self.move is not None:
            lines.append(
                f"  a user gains {self.deviation_gain:.6g} by moving from {self.move[0]} to {self.move[1]}"
            )
        lines += self._lines(self.utilisation)
        lines += [
            f"  unstable: {name} gets its rate or more, and its queue grows without bound"
            for name in self.overloaded[:12]
        ]
        return "\n".join(lines + [f"  but {caveat}" for caveat in self.caveats])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON. What is infinite is None: JSON has no word for it."""
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


def _against(ratio: Ratio) -> str:
    return f"{ratio:.6g} times the least" + (
        f", certified within {ratio.spread:.1e} of it" if math.isfinite(ratio) else ""
    )


def evaluate(
    system: ParallelServers, load: float, given: dict[str, npt.ArrayLike | None]
) -> Evaluation:
    """Judge a split; see `ParallelServers.evaluate`."""
    load = system.check_load(load)
    flow = _flow(system, load, given)
    bank = system.bank
    latency, full, used = bank.latency(flow), bank.spare_capacity(flow) <= 0, flow > 0
    # a server without jobs has a latency, but costs nobody anything, were it infinite
    mean = math.fsum((flow * np.where(used, latency, 0.0)).tolist()) / math.fsum(flow.tolist())
    # a float cannot say a flow, nor what it leaves of a server, more exactly than this
    delay = within(mean, ROUNDING + 4 * EPS * (_steepness(system, flow) / mean if mean else 0.0))
    best, selfish = (_truth(system, load, goal) for goal in ("optimum", "equilibrium"))
    ratio, own = Ratio.to(delay, best), certify(bank, load, flow, "optimum")
    offered, slowest = int(np.argmin(latency)), int(np.argmax(np.where(used, latency, -np.inf)))
    gain = float(latency[slowest] - latency[offered])
    return Evaluation(
        load=load,
        names=system.names,
        flow=flow,
        share=flow / load,
        latency=latency,
        utilisation=flow / bank.rate,
        mean_delay=delay,
        overloaded=tuple(np.array(system.names, dtype=object)[full]),
        optimum_delay=best,
        equilibrium_delay=selfish,
        ratio=ratio,
        loss=excess(delay, best),
        deviation_gain=gain,
        move=(system.names[slowest], system.names[offered])
        if gain > ROUNDING * latency[slowest]
        else None,
        certificate=replace(
            own,
            mean_delay=float(delay),
            lower_bound=best.lower,
            upper_bound=best.upper,
            gap=ratio.upper - 1,
            deviation_gain=gain,
        ),
        caveats=tuple(bank.caveats(flow, system.names)),
    )


def _truth(system: ParallelServers, load: float, goal: Goal) -> BoundedValue:
    """Mean delay of the exact optimum or equilibrium, with what a certificate of its flow proves."""
    split = getattr(exact, goal)(system.bank, load)
    proof = certify(system.bank, load, split.flow, goal)
    value = float(split.mean_delay)
    return BoundedValue(
        value,
        min(proof.lower_bound, value) * (1 - ROUNDING),
        max(proof.upper_bound, value) * (1 + ROUNDING),
    )


def _steepness(system: ParallelServers, flow: Array) -> float:
    """Relative change of the mean delay, times itself, per relative change of every flow."""
    with np.errstate(all="ignore"):
        return float(np.sum(flow * system.bank.marginal(flow)) / np.sum(flow))


def _flow(system: ParallelServers, load: float, given: dict[str, npt.ArrayLike | None]) -> Array:
    """Flow of each server, from the one of flow, share and weights that is given."""
    said = [name for name in WAYS if given[name] is not None]
    if len(said) != 1:
        raise InputError("evaluate", said, "is not one way to give a split", REMEDY)
    (name,) = said
    parts = as_floats(name, given[name])
    if parts.shape != (len(system),):
        count = f"{parts.size} numbers" if parts.ndim == 1 else f"an array of shape {parts.shape}"
        names = ", ".join(system.names[:12]) + (", ..." if len(system) > 12 else "")
        remedy = f"give {len(system)} numbers, one a server: {names}"
        raise InputError(name, parts.tolist(), f"is {count} for {len(system)} servers", remedy)
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
    scaled = parts / parts.max()  # so that no sum of weights is too large for a float
    whole = math.fsum(scaled.tolist())
    divided: Array = load * (scaled / whole)
    if name == "weights":
        return divided
    tolerance, total = load if name == "flow" else 1.0, whole * float(parts.max())
    if not abs(total - tolerance) <= SUM * tolerance:
        what = f"the load {tolerance:.12g}" if name == "flow" else "1"
        remedy = f"give weights= for numbers of any sum, or a {name} that fits"
        raise InputError(name, parts.tolist(), f"sums to {total:.12g}, not to {what}", remedy)
    if name == "flow" and abs(math.fsum([*parts.tolist(), -load])) <= 2 * EPS * load:
        return parts  # every digit as it is given
    return divided
