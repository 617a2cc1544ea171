"""A local and a cloud server, and two service modes between them: the system of Jeff and Modiano."""

from __future__ import annotations

import numpy.typing as npt

from ....reference import service_modes as exact
from ....reference.errors import InputError
from ....reference.service_modes.modes import check_dual
from ....reference.validation import list_or_none
from .system import MultiMode, as_rates
from .tunable import TunableMode

STAGES, MODES = ("local", "cloud"), ("mode 1", "mode 2")


class DualMode(MultiMode):
    """A local server, then a cloud server; mode 1 is the cloud-heavy one, mode 2 the local-heavy one.

    Parameters
    ----------
    local : pair of float
        Rates (mu_l1, mu_l2) of the local server when it serves one mode alone, jobs per unit of time, mu_l2 < mu_l1.
    cloud : pair of float
        Rates (mu_c1, mu_c2) of the cloud server, mu_c1 < mu_c2. A mode that asks nothing of a server has the rate ``inf`` there.
    time_unit : str, default "s"

    Raises
    ------
    InputError
        On a rate that is not above 0, or modes the wrong way round.

    Attributes
    ----------
    canonical_form : Canonical
        mu0, K, f1, f2 of Section II.A.

    Examples
    --------
    >>> from sojourn.models import DualMode
    >>> system = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
    >>> best = system.assignment(load=4.5)
    >>> round(best.p, 4), round(best.alpha, 4), round(best.beta, 4), round(best.mean_delay, 6)
    (0.5752, 0.3262, 0.6296, 6.938099)
    """

    def __init__(self, local: npt.ArrayLike, cloud: npt.ArrayLike, time_unit: str = "s") -> None:
        super().__init__(as_rates(local, cloud), STAGES, MODES, time_unit)
        check_dual(self.rates)
        self.canonical_form = exact.canonical(self.rates)

    @classmethod
    def canonical(
        cls, *, mu0: float, K: float, f: tuple[float, float], time_unit: str = "s"
    ) -> DualMode:
        """Return the system of these capacities and local parts of the work.

        Parameters
        ----------
        mu0 : float
            Capacity of the local server, jobs per unit of time.
        K : float
            Capacity of the cloud server over that of the local one.
        f : pair of float
            (f1, f2), part of a job's work done locally in each mode, 0 <= f1 < f2 <= 1.
        time_unit : str, default "s"

        Raises
        ------
        InputError
        """
        pair = list_or_none(f) or []
        if len(pair) != 2:
            raise InputError(
                "f",
                f,
                "is not a pair",
                "give f=(f1, f2), the part of the work done locally in each mode",
            )
        form = exact.Canonical(mu0, K, *pair)
        local, cloud = form.dual_mode.rate
        system = cls(local, cloud, time_unit)
        system.canonical_form = form
        return system

    def __repr__(self) -> str:
        c = self.canonical_form
        return f"DualMode(mu0={c.mu0:g}, K={c.K:g}, f=({c.f1:g}, {c.f2:g}), largest load {self.max_load:g})"

    @property
    def tunable(self) -> TunableMode:
        """The tunable-mode system of the same capacities: no assignment is faster than its optimum (Proposition 1)."""
        return TunableMode(self.canonical_form.mu0, self.canonical_form.K, self.time_unit)

    @property
    def capacity_load(self) -> float:
        """(K + 1) mu0, the capacity of both servers."""
        return self.tunable.max_load

    @property
    def touch_loads(self) -> tuple[float, ...]:
        """Loads at which the best assignment is as fast as the tunable mode, in closed form; none with K <= 1."""
        return tuple(exact.touch_points(self.canonical_form)) if self.canonical_form.K > 1 else ()
