"""Jobs that pass S stages in one of M service modes: the largest load, the best partition, and for two modes the best assignment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.service_modes import Modes, stable_interval
from ....reference.service_modes import capacity as closed_form
from ....reference.service_modes.stability import check_assignment, one_load
from ....reference.validation import as_floats, as_names, check_flag, check_text
from ...core.options import PolishOptions, SolveOptions
from ...core.refinement import check_refine
from ...core.solve import Task
from ...core.system import System
from ...core.tolerance import GapTolerance
from .breakaway import CertifiedBreakaway, breakaway
from .evaluation import OperatingEvaluation, evaluate
from .operating_point import MaxLoad, OperatingPoint
from .partition import Program, write
from .questions import Assignment, Capacity, Location, OperatingPoints, Partition

if TYPE_CHECKING:
    import xarray as xr

    from .tunable import TunableMode

ASSIGNMENT_GAP = 1e-7
"""Relative error that a polished joint optimum must exclude, unless another gap is asked for. Its bound comes from a semidefinite
program: solvers prove some 1e-11, but near a breakaway, where two p are equally good and the program is degenerate, 3e-8."""


class MultiMode(System):
    """Stages in series, each divided between the service modes of the jobs.

    Every job passes all stages in one mode; a stage queues each mode apart, M/M/1, on the part of its capacity that the mode is given.

    Parameters
    ----------
    rate : array_like, shape (S, M)
        Service rate of a stage that serves one mode alone, jobs per unit of time; ``inf`` where the mode asks nothing of the stage.
    stages, modes : sequence of str, optional
        Names; by default ``stage 1``, ... and ``mode 1``, ...
    time_unit : str, default "s"
        Written on tables, plots and files; the numbers are in whatever unit the rates use.

    Raises
    ------
    InputError
        On rates that no system has, or names that do not fit.

    Examples
    --------
    >>> from sojourn.models import MultiMode
    >>> system = MultiMode([[4.0, 2.0], [30.0, 40.0], [80.0, 200.0]], stages=["device", "edge", "cloud"])
    >>> system.max_load
    4.0
    >>> round(system.partition(load=2.0, p=0.8).mean_delay, 6)
    1.533284
    """

    def __init__(
        self,
        rate: npt.ArrayLike,
        stages: Sequence[str] | None = None,
        modes: Sequence[str] | None = None,
        time_unit: str = "s",
    ) -> None:
        self.rates = Modes(rate)
        self.stages = as_names("stages", "stage", stages, self.rates.stages)
        self.modes = as_names("modes", "mode", modes, self.rates.modes)
        self.time_unit = check_text("time_unit", time_unit)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.stages)} stages, {len(self.modes)} modes, largest load {self.max_load:g})"

    @property
    def max_load(self) -> float:
        """Largest load that the stages can carry, in closed form (Theorem 2); `capacity` proves it by a linear program."""
        return closed_form(self.rates).max_load

    @property
    def capacity_load(self) -> float:
        """Load that keeps every stage busy, where the system can say it; else the largest load."""
        return self.max_load

    @property
    def tunable(self) -> TunableMode | None:
        """System in which the work of a job can be divided at will, whose optimum no assignment beats; None without one."""
        return None

    @property
    def touch_loads(self) -> tuple[float, ...]:
        """Loads at which the best assignment is as fast as the tunable mode."""
        return ()

    def capacity(self, **options: Unpack[SolveOptions]) -> MaxLoad:
        """Largest load as a linear program: maximise sum x_m subject to sum_m x_m / rate_sm <= 1 at every stage; Theorem 2.

        Parameters
        ----------
        **how
            ``solver``, ``solver_options``, ``gap`` (1e-9), ``throw``, as in `ParallelServers.optimum`.

        Raises
        ------
        SolverNameError, NotCertifiedError
        """
        return Task(Capacity(self.rates, GapTolerance.of(options)), options).one(0.0)

    def stable_interval(self, load: float) -> tuple[float, float]:
        """Interval of p under which two modes can be carried; an end at 0 or 1 belongs to it."""
        return stable_interval(self.rates, self.check_load(load))

    def partition(
        self, load: float, p: npt.ArrayLike, **options: Unpack[PolishOptions]
    ) -> OperatingPoint:
        """Division of every stage that makes the mean delay least, the assignment given; Theorem 3, a second-order cone program.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below the largest.
        p : float or array_like, shape (M,)
            With two modes, the part of the jobs in mode 1; else the part in each.
        **how
            ``solver``, ``solver_options``, ``polish``, ``gap``, ``throw``, as in `ParallelServers.optimum`.

        Returns
        -------
        OperatingPoint

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError
            Before any solver starts; where p is not stable the message says the interval.
        NotCertifiedError
            With the best `OperatingPoint` inside.
        """
        load = self.check_load(load)
        return self.partition_sweep(**options).one(load, check_assignment(self.rates, load, p))

    def assignment(self, load: float, **options: Unpack[PolishOptions]) -> OperatingPoint:
        """Assignment and partition of least mean delay: the joint optimum over (p, alpha, beta), for two modes.

        The problem is not convex in (p, alpha, beta), but is exactly a semidefinite program in another form: see
        `sojourn.models.systems.service_modes.sum_of_squares`. Its value is a certified lower bound of every operating point; its dual says
        where p is; alpha and beta come from `partition`.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below the largest.
        solver : str, optional
            By default Clarabel, then SCS, until one is certified.
        solver_options : mapping, optional
        polish : bool, default True
            Finish p with Newton steps; False gives the p that the solver's moments say, or the end of the interval if that is better.
        gap : float, default 1e-7
            Relative error that the certificate must exclude; 1e-4 without polish, unless given.
        throw : bool, default True

        Returns
        -------
        OperatingPoint

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError
            Before any solver starts; InputError for another number of modes than two.
        NotCertifiedError
            With the best `OperatingPoint` inside.
        """
        return self.assignment_sweep(**options).one(self.check_load(load))

    def evaluate(
        self, load: float, p: npt.ArrayLike, share: npt.ArrayLike | None = None
    ) -> OperatingEvaluation:
        """Judge an operating point that is already there: its delays, and what it loses against the best ones. No solver is asked.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below the largest.
        p : float or array_like, shape (M,)
            With two modes, the part of the jobs in mode 1; else the part in each.
        share : array_like, shape (S, M), optional
            Part of each stage's capacity that each mode gets, each row adding up to 1; by default the best partition for p.

        Returns
        -------
        OperatingEvaluation
            Where a mode gets too little of a stage the delay is infinite and ``overloaded`` names both.

        Raises
        ------
        LoadError, InputError
            On a load that the stages cannot carry, and on parts that are negative or do not add up to 1.

        Examples
        --------
        >>> from sojourn.models import DualMode
        >>> system = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
        >>> even = system.evaluate(load=4.0, p=0.9, share=[[0.5, 0.5], [0.9, 0.1]])
        >>> round(even.mean_delay, 4), round(even.partition_ratio, 4), round(even.assignment_ratio, 4)
        (3.5551, 1.0918, 1.4711)
        """
        return evaluate(self.rates, (self.stages, self.modes), self.check_load(load), p, share)

    def breakaway(self, **options: Unpack[PolishOptions]) -> CertifiedBreakaway | None:
        """Load from which one mode for all jobs is no longer best, and the p just after; None where there is no such load.

        A scan over loads and a bisection, each step an `assignment` whose certificate must exclude `gap`. Parameters as there; `throw` has no
        meaning here.

        Raises
        ------
        InputError, SolverNameError, FormulationError, NotCertifiedError
        """
        self._two_modes("breakaway")
        return breakaway(
            self.rates,
            Task(
                Location(
                    self.rates,
                    GapTolerance.of(options, ASSIGNMENT_GAP),
                    options.get("polish", True),
                ),
                options,
            ),
        )

    def curve(
        self,
        loads: npt.ArrayLike,
        p: npt.ArrayLike | None = None,
        refine: bool | float = False,
        *,
        breakaway: bool = False,
        **options: Unpack[PolishOptions],
    ) -> xr.Dataset:
        """Best assignment, partition and delay over loads; with `p` given, the best partition for it.

        See `sojourn.models.systems.service_modes.curve.curve` and `partition_curve` there.
        """
        from .curve import curve, partition_curve

        if p is None:
            self._two_modes("curve")
            return curve(self, loads, refine, breakaway=breakaway, **options)
        for field, value in (
            ("refine", check_refine(refine) is not None),
            ("breakaway", check_flag("breakaway", breakaway)),
        ):
            if value:
                raise InputError(
                    field,
                    value,
                    "is for the best assignment at every load",
                    "leave it out where p is given",
                )
        return partition_curve(self, loads, p, **options)

    def assignment_sweep(
        self, **options: Unpack[PolishOptions]
    ) -> Task[Any, OperatingPoints, OperatingPoint]:
        """Return the question `assignment`, to be put at many loads: ``solve(loads)``."""
        self._two_modes("assignment")
        if "inner" not in self._kept:
            inner = Partition(self.rates, (self.stages, self.modes), GapTolerance.of({}))
            self._kept["inner"] = Task(inner, {}, self._kept.setdefault("partition", {}), part=True)
        names, polish = (self.stages, self.modes), options.get("polish", True)
        question = Assignment(
            self.rates, names, GapTolerance.of(options, ASSIGNMENT_GAP), self._kept["inner"], polish
        )
        return Task(question, options, self._kept.setdefault("assignment", {}))

    def partition_sweep(
        self, **options: Unpack[PolishOptions]
    ) -> Task[Any, OperatingPoints, OperatingPoint]:
        """Return the question `partition`, to be put at many loads and stable assignments: ``solve(loads, parts)``."""
        names, polish = (self.stages, self.modes), options.get("polish", True)
        return Task(
            Partition(self.rates, names, GapTolerance.of(options), polish),
            options,
            self._kept.setdefault("partition", {}),
        )

    def model(self, load: float, p: npt.ArrayLike) -> Program:
        """Return the partition's CVXPY problem with its handles, to add constraints and solve it in one's own way.

        Examples
        --------
        >>> import cvxpy as cp
        >>> from sojourn.models import DualMode
        >>> model = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).model(load=4.0, p=0.5)
        >>> problem = cp.Problem(model.problem.objective, [*model.problem.constraints, model.share[0, 0] >= 0.35])
        >>> _ = problem.solve(solver="CLARABEL")
        >>> model.share.value.round(4)
        array([[0.35  , 0.65  ],
               [0.5563, 0.4437]])
        """
        load = self.check_load(load)
        program = write(self.rates)
        program.set_point(self.rates, load, check_assignment(self.rates, load, p))
        return program

    def check_load(self, load: float) -> float:
        """Return the load as a float; LoadError when it is not a number above 0 and below the largest."""
        return one_load(self.rates, load)

    def _two_modes(self, what: str) -> None:
        if len(self.modes) != 2:
            remedy = "give p yourself: partition(load, p) and capacity() take any number of modes"
            raise InputError(
                "modes", len(self.modes), f"the {what} is solved for two modes", remedy
            )


def as_rates(local: npt.ArrayLike, cloud: npt.ArrayLike) -> Array:
    """Return the rates of a local and a cloud server as an array of shape (2, 2)."""
    rows = []
    for field, value in (("local", local), ("cloud", cloud)):
        row = as_floats(field, value)
        if row.shape != (2,):
            raise InputError(
                field, value, "is not a pair of rates", "give the rates of mode 1 and mode 2"
            )
        rows.append(row.tolist())
    return Modes(rows).rate
