"""`DualMode`: a local and a cloud server, and two service modes."""

from __future__ import annotations

import numpy.typing as npt

from ....reference import service_modes as exact
from ....reference.errors import Array, InputError
from ....reference.service_modes import Modes
from ....reference.service_modes.modes import check_dual
from ....reference.validation import as_floats, list_or_none
from .mode_system import GivenNames
from .system import MultiMode
from .tunable import TunableMode

STAGES, MODES = ("local", "cloud"), ("mode 1", "mode 2")


class DualMode(MultiMode):
    """Local and cloud server in series, each divided between two modes of the jobs.

    The work of a job is done partly at the local server and then partly at the cloud server. Mode 1
    does more of it in the cloud, mode 2 more of it locally.

    Parameters
    ----------
    local : pair of float
        Service rates (mu_l1, mu_l2) of the local server when it serves one mode alone, jobs per
        `time_unit`, mu_l2 < mu_l1.
    cloud : pair of float
        Service rates (mu_c1, mu_c2) of the cloud server, mu_c1 < mu_c2. ``inf`` where a mode needs
        no service at a server.
    time_unit : str, default "s"
        Unit of time of all numbers, for tables, plots and files.

    Attributes
    ----------
    canonical_form : Canonical
        Capacities and local parts of the work (mu0, K, f1, f2) of the system.
    rates : Modes
        The service rates, for the functions of `sojourn.reference.service_modes`.
    stages, modes : tuple of str
        ``("local", "cloud")`` and ``("mode 1", "mode 2")``.
    time_unit : str

    Raises
    ------
    InputError
        On a rate that is not above 0, and on modes in the wrong order.

    Notes
    -----
    The system of D. Jeff and E. Modiano, *Delay Optimization in a Simple Offloading System*,
    Section II.A. With load lambda, part p of the jobs in mode 1, and the parts alpha of the local
    and beta of the cloud server for mode 1, the mean delay is

    p / (alpha mu_l1 - p lambda) + (1 - p) / ((1 - alpha) mu_l2 - (1 - p) lambda)
    + p / (beta mu_c1 - p lambda) + (1 - p) / ((1 - beta) mu_c2 - (1 - p) lambda).

    `partition` minimises it over (alpha, beta), `assignment` over (p, alpha, beta).

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

    def _store(self, rates: Modes, stages: GivenNames, modes: GivenNames, time_unit: str) -> None:
        super()._store(rates, stages, modes, time_unit)
        check_dual(rates)
        self.canonical_form = exact.canonical(rates)

    @classmethod
    def canonical(
        cls, *, mu0: float, K: float, f: tuple[float, float], time_unit: str = "s"
    ) -> DualMode:
        """Return the system of given capacities and local parts of the work.

        The rates are mu_lm = mu0 / f_m and mu_cm = K mu0 / (1 - f_m).

        Parameters
        ----------
        mu0 : float
            Capacity of the local server, jobs per unit of time.
        K : float
            Capacity of the cloud server divided by that of the local server.
        f : pair of float
            (f1, f2): part of a job's work that each mode does locally, 0 <= f1 < f2 <= 1.
        time_unit : str, default "s"

        Returns
        -------
        DualMode

        Raises
        ------
        InputError
            On a capacity that is not above 0, and on local parts that are not as above.

        Examples
        --------
        >>> from sojourn.models import DualMode
        >>> DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
        DualMode(mu0=1, K=4, f=(0.1, 0.3), largest load 5)
        """
        pair = list_or_none(f) or []
        if len(pair) != 2:
            remedy = "give f=(f1, f2), the part of the work done locally in each mode"
            raise InputError("f", f, "is not a pair", remedy)
        form = exact.Canonical(mu0, K, *pair)
        local, cloud = form.dual_mode.rate
        system = cls(local, cloud, time_unit)
        system.canonical_form = form
        return system

    def __repr__(self) -> str:
        c = self.canonical_form
        form = f"mu0={c.mu0:g}, K={c.K:g}, f=({c.f1:g}, {c.f2:g})"
        return f"DualMode({form}, largest load {self.max_load:g})"

    @property
    def tunable(self) -> TunableMode:
        """Tunable-mode system of the same capacities.

        Its optimum is a lower bound of every mean delay of this system (Proposition 1 of Jeff and
        Modiano).
        """
        return TunableMode(self.canonical_form.mu0, self.canonical_form.K, self.time_unit)

    @property
    def capacity_load(self) -> float:
        """Capacity of both servers together, (K + 1) mu0, jobs per unit of time."""
        return self.tunable.max_load

    @property
    def touch_loads(self) -> tuple[float, ...]:
        """Loads at which the best assignment is as fast as the optimum of `tunable`.

        Jobs per unit of time, in closed form; none for K <= 1.
        """
        return tuple(exact.touch_points(self.canonical_form)) if self.canonical_form.K > 1 else ()


def as_rates(local: npt.ArrayLike, cloud: npt.ArrayLike) -> Array:
    """Return the rates of a local and a cloud server as an array of shape (2, 2)."""
    rows = []
    for field, value in (("local", local), ("cloud", cloud)):
        row = as_floats(field, value)
        if row.shape != (2,):
            remedy = "give the rates of mode 1 and mode 2"
            raise InputError(field, value, "is not a pair of rates", remedy)
        rows.append(row.tolist())
    try:
        return Modes(rows).rate
    except InputError as error:
        for s, field in enumerate(("local", "cloud")):
            place = error.field.replace(f"rate[{s}]", field)
            if place != error.field:
                raise InputError(place, error.value, error.problem, error.remedy) from None
        raise
