"""`MultiMode`: jobs that pass S stages in one of M service modes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack, overload

import numpy as np
import numpy.typing as npt

from ....reference.errors import InputError
from ....reference.service_modes import ModeChange, stable_interval
from ....reference.service_modes import capacity as closed_form
from ....reference.service_modes.breakaways import EVEN, SECONDS, as_seconds, scan_loads
from ....reference.service_modes.stability import check_assignment, one_load
from ....reference.validation import (
    check_flag,
)
from ...core.options import PolishOptions, SolveOptions
from ...core.refinement import check_refine
from ...core.solve import Task
from ...core.system import planned
from ...core.tolerance import GapTolerance
from . import cell, sum_of_squares
from .best_assignment import Assignment, CellAssignment, Location, most_used, needs_pairs
from .breakaway import CertifiedBreakaway, breakaway
from .breakaways import CertifiedBreakaways, breakaways
from .evaluation import OperatingEvaluation, evaluate
from .operating_point import ASSIGNMENT_GAP, MaxLoad, OperatingPoint
from .partition import Program as PartitionProgram
from .partition import write as write_partition
from .questions import Capacity, OperatingPoints, Partition
from .simulation import SimulatedModes

if TYPE_CHECKING:
    import xarray as xr

    from ...core.curve import CurvePlan
    from .tunable import TunableMode


class MultiMode(SimulatedModes):
    """Stages in series, the capacity of each divided between the service modes of the jobs.

    Every job passes all S stages in one of M modes. Each stage serves each mode as a separate
    M/M/1 queue, at the part of its capacity that the mode gets. The *assignment* is the part of the
    jobs in each mode; the *partition* is the part of each stage's capacity for each mode.

    Parameters
    ----------
    rate : array_like, shape (S, M)
        Service rates mu_sm of stage s when it serves mode m alone, jobs per unit of time; ``inf``
        where mode m needs no service at stage s. `from_work` takes works in place of rates.
    stages, modes : sequence of str, optional
        Names; by default ``stage 1``, ... and ``mode 1``, ...
    time_unit : str, default "s"
        Unit of time of all numbers, for tables, plots and files.
    delay : array_like, shape (M,), optional
        Fixed delay d_m of each mode, such as that of an upload that does not queue; by default 0.

    Attributes
    ----------
    rates : Modes
        The rates, for the functions of `sojourn.reference.service_modes`.
    stages, modes : tuple of str
        Names of the stages and of the modes.
    time_unit : str

    Raises
    ------
    InputError
        On a rate that is not above 0, a mode that needs no stage, a stage that no mode needs, a
        negative delay, and names of a wrong number.

    Notes
    -----
    With jobs of rate lambda, assignment p_m and partition phi_sm, the mean delay of a job is
    sum over s and m of p_m / (phi_sm mu_sm - p_m lambda), and sum over m of p_m d_m. For two stages
    and two modes this is the system of D. Jeff and E. Modiano, *Delay Optimization in a Simple
    Offloading System*.

    Of any number of modes, a best assignment uses at most S, or S + 1 with fixed delays: at given
    utilisations of the stages the delay is concave in p, so that a vertex is best.

    Examples
    --------
    >>> from sojourn.models import MultiMode
    >>> rate = [[4.0, 2.0], [30.0, 40.0], [80.0, 200.0]]
    >>> system = MultiMode(rate, stages=["device", "edge", "cloud"])
    >>> system.max_load
    4.0
    >>> round(system.partition(load=2.0, p=0.8).mean_delay, 6)
    1.533284
    """

    @property
    def max_load(self) -> float:
        """Largest load that the stages can carry, in closed form (Theorem 2 of Jeff and Modiano).

        Jobs per unit of time. `capacity` proves it by a linear program.
        """
        return closed_form(self.rates).max_load

    @property
    def capacity_load(self) -> float:
        """Load that keeps every stage busy, where it is known; else the largest load."""
        return self.max_load

    @property
    def tunable(self) -> TunableMode | None:
        """System whose optimum is a lower bound of every mean delay of this system, or None."""
        return None

    @property
    def touch_loads(self) -> tuple[float, ...]:
        """Loads at which the best assignment is as fast as the optimum of `tunable`."""
        return ()

    def capacity(self, **options: Unpack[SolveOptions]) -> MaxLoad:
        """Solve for the largest load as a linear program (Theorem 2 of Jeff and Modiano).

        Maximise sum_m x_m over the loads x_m of the modes, subject to
        sum_m x_m / mu_sm <= 1 at every stage s.

        Parameters
        ----------
        **options
            ``solver``, ``solver_options``, ``gap`` (default 1e-9) and ``throw``, as for
            `ParallelServers.optimum`.

        Returns
        -------
        MaxLoad

        Raises
        ------
        SolverNameError
            Before any solver starts.
        NotCertifiedError
            When no answer is certified; it holds the best `MaxLoad`.

        Examples
        --------
        >>> from sojourn.models import DualMode
        >>> most = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).capacity()
        >>> round(most.max_load, 6), most.assignment.round(6)
        (5.0, array([0.5, 0.5]))
        """
        return Task(Capacity(self.rates, GapTolerance.of(options)), options).one(0.0)

    def stable_interval(self, load: float) -> tuple[float, float]:
        """Return the interval of p under which two modes are stable at a load.

        The open interval (low, high) is stable, and so is an end at 0 or 1.

        Raises
        ------
        LoadError, InputError
            On a load that the stages cannot carry, and on other than two modes.
        """
        return stable_interval(self.rates, self.check_load(load))

    def partition(
        self, load: float, p: npt.ArrayLike, **options: Unpack[PolishOptions]
    ) -> OperatingPoint:
        """Solve for the best partition under a given assignment.

        A second-order cone program whose optimum is that of Theorem 3 of Jeff and Modiano: each
        mode gets the capacity it needs, and of the spare capacity of a stage a part in proportion
        to sqrt(p_m / mu_sm).

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below `max_load`.
        p : float or array_like, shape (M,)
            Part of the jobs in each mode; with two modes also the part in mode 1 alone.
        **options
            ``solver``, ``solver_options``, ``polish``, ``gap`` and ``throw``, as for
            `ParallelServers.optimum`.

        Returns
        -------
        OperatingPoint

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError
            Before any solver starts; where the assignment is not stable, the message gives the
            stable interval of p.
        NotCertifiedError
            When no answer is certified; it holds the best `OperatingPoint`.

        Examples
        --------
        >>> from sojourn.models import DualMode
        >>> best = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).partition(load=4.5, p=0.5)
        >>> round(best.alpha, 4), round(best.beta, 4), round(best.mean_delay, 4)
        (0.2616, 0.5594, 7.7164)
        """
        load = self.check_load(load)
        return self._partition_task(**options).one(load, check_assignment(self.rates, load, p))

    def assignment(self, load: float, **options: Unpack[PolishOptions]) -> OperatingPoint:
        """Solve for the assignment and partition of least mean delay, for any number of modes.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below `max_load`.
        solver : str, optional
            By default Clarabel, then SCS, until an answer is certified.
        solver_options : mapping, optional
            Options of the solver, by its own names.
        polish : bool, default True
            Whether to improve p by Newton steps. Without them, p is that of the solver's moments,
            or an end of the stable interval where that is better.
        gap : float, default 1e-7
            Relative error that the certificate must exclude; 1e-4 by default without polish.
        throw : bool, default True
            Whether to raise NotCertifiedError when the gap is not met; False returns the best
            answer, with ``certified`` False.

        Returns
        -------
        OperatingPoint

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError
            Before any solver starts.
        NotCertifiedError
            When no answer is certified; it holds the best `OperatingPoint`.

        Notes
        -----
        For two modes the mean delay is not convex in (p, alpha, beta), but its minimum is exactly
        the optimal value of a semidefinite program, the formulation ``sos``: see
        `sojourn.models.systems.service_modes.sum_of_squares`. That value is a certified lower bound
        of every operating point, the dual solution gives p, and `partition` gives alpha and beta.

        Of more modes, two are enough at two stages (at one stage with fixed delays), else S modes
        or S + 1. The reference, `sojourn.reference.service_modes.best_assignments`, finds them, and
        bounds the delay of all assignments from below. The program of two modes is as above. That
        of more, the formulation ``cell``, is a second-order cone program of the assignments around
        the best one, see `sojourn.models.systems.service_modes.cell`. The lower bound is the lesser
        one of the program's and the reference's.

        Examples
        --------
        >>> from sojourn.models import DualMode
        >>> best = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).assignment(load=4.5)
        >>> round(best.p, 4), round(best.mean_delay, 6), best.certified
        (0.5752, 6.938099, True)
        """
        return self._assignment_task(**options).one(self.check_load(load))

    def evaluate(
        self, load: float, p: npt.ArrayLike, share: npt.ArrayLike | None = None
    ) -> OperatingEvaluation:
        """Evaluate a given operating point: its delays, and its ratios to the best ones.

        Closed forms alone; no solver is used.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below `max_load`.
        p : float or array_like, shape (M,)
            Part of the jobs in each mode; with two modes also the part in mode 1 alone.
        share : array_like, shape (S, M), optional
            Part of each stage's capacity that each mode gets, each row with sum 1; by default the
            best partition for `p`.

        Returns
        -------
        OperatingEvaluation
            Where a mode gets too little of a stage, the delay is infinite and ``overloaded`` names
            the stage and the mode.

        Raises
        ------
        LoadError, InputError
            On a load that the stages cannot carry, and on parts that are negative or whose sum is
            not 1.

        Examples
        --------
        >>> from sojourn.models import DualMode
        >>> system = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
        >>> even = system.evaluate(load=4.0, p=0.9, share=[[0.5, 0.5], [0.9, 0.1]])
        >>> round(even.mean_delay, 4)
        3.5551
        >>> round(even.partition_ratio, 4), round(even.assignment_ratio, 4)
        (1.0918, 1.4711)
        """
        return evaluate(self.rates, (self.stages, self.modes), self.check_load(load), p, share)

    def breakaway(self, **options: Unpack[PolishOptions]) -> CertifiedBreakaway | ModeChange | None:
        """Find the first load at which the best assignment changes its modes.

        Of two modes it is the load from which one mode for all jobs is not best any more: a scan
        over loads and a bisection; each examined load is a semidefinite program as of `assignment`,
        whose certificate must exclude the gap. Of more modes it is the first of `breakaways`.

        Parameters
        ----------
        **options
            As for `assignment`, except ``throw``, which has no effect here.

        Returns
        -------
        CertifiedBreakaway, ModeChange or None
            The load, and the best p (of more modes, the best assignments) just below and just above
            it; None where the same modes are best at every load.

        Raises
        ------
        SolverNameError, FormulationError
            Before any solver starts.
        NotCertifiedError
            At a load whose answer is not certified.

        Examples
        --------
        >>> from sojourn.models import DualMode
        >>> found = DualMode.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15)).breakaway()
        >>> round(found.load, 4), found.p_before, found.p_after
        (2.8888, 1.0, 0.0)
        """
        if len(self.modes) != 2:
            return next(iter(self.breakaways(seconds=np.inf, **options)), None)
        tolerance = GapTolerance.of(options, ASSIGNMENT_GAP)
        question = Location(self.rates, tolerance, options.get("polish", True))
        return breakaway(self.rates, Task(question, options))

    def breakaways(
        self,
        low: float = 0.0,
        high: float | None = None,
        points: int = EVEN,
        seconds: float = SECONDS,
        **options: Unpack[PolishOptions],
    ) -> CertifiedBreakaways:
        """Find every load at which the set of modes that the best assignment uses changes.

        Best assignments at the loads of a scan bracket the changes, and those at the changes
        confirm them; each has the certificate of `assignment`. Between two loads of the scan, a set
        of modes that comes and goes is not seen. A jump that leaves the set as it is, is no change.

        Parameters
        ----------
        low, high : float, optional
            Loads between which changes are searched, jobs per unit of time; by default up to
            1 - 2^-20 of the largest load. From 0 the search starts at 2^-20 of the largest load of
            the modes that are best at light load.
        points : int, default 48
            Number of evenly spaced loads of the scan. More follow towards a load of 0 and towards
            the largest load, and beside changes.
        seconds : float, default 60
            Time after which no further load is examined, but those of a block that has begun;
            infinite for no limit. What is found until then is returned, with the intervals of loads
            that are ``left``.
        **options
            As for `assignment`, except ``throw``, which has no effect here.

        Returns
        -------
        CertifiedBreakaways
            A sequence of changes, with their loads, the used modes and best assignments just below
            and just above, and ``jump``, 0 where a mode joins or leaves with no jobs.

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError
            Before any solver starts; LoadError unless 0 <= low < high < the largest load.
        NotCertifiedError
            At a load whose answer is not certified.

        Notes
        -----
        See `sojourn.reference.service_modes.breakaways`.

        Examples
        --------
        >>> from sojourn.models import MultiMode
        >>> system = MultiMode.from_work([[0.05, 0.5, 0.21021], [0.2375, 0.125, 0.1976975]])
        >>> system.breakaways(points=24)
        changes of the modes in use between the loads 4.01547e-06 and 5
          3.46468862: mode 1 -> mode 3, a jump of 1
          4.4852057: mode 3 -> mode 1 + mode 3, a jump of 0.07596
          4.97624267: mode 1 + mode 3 -> mode 1 + mode 2, a jump of 0.9349
        """
        loads, limit = scan_loads(self.rates, low, high, points), as_seconds(seconds)
        return breakaways(self.rates, self.modes, loads, self._assignment_task(**options), limit)

    def _curve_plan(
        self,
        loads: npt.ArrayLike,
        p: npt.ArrayLike | None = None,
        refine: bool | float = False,
        *,
        breakaway: bool = False,
        **options: Unpack[PolishOptions],
    ) -> CurvePlan:
        """Return the plan of `curve`."""
        from .curve import curve_plan, partition_plan  # the import of xarray takes time

        if p is None:
            return curve_plan(self, loads, refine, breakaway, options)
        refines = check_refine(refine) is not None
        marks = check_flag("breakaway", breakaway)
        for field, value in (("refine", refines), ("breakaway", marks)):
            if value:
                problem = "is for the best assignment at every load"
                raise InputError(field, value, problem, "leave it out where p is given")
        return partition_plan(self, loads, p, options)

    @planned(_curve_plan)
    def curve(
        self,
        loads: npt.ArrayLike,
        p: npt.ArrayLike | None = None,
        refine: bool | float = False,
        *,
        breakaway: bool = False,
        **options: Unpack[PolishOptions],
    ) -> xr.Dataset:
        """Solve for the best assignment, or for the best partition under `p`, at many loads.

        Parameters
        ----------
        loads : array_like, shape (K,)
            Jobs per unit of time, 0 or more, in any order.
        p : float or array_like, shape (M,) or (K, M), optional
            Assignment, as for `partition`, or one row for each load; by default the best one.
        refine : bool or float, default False
            Whether to add loads until linear interpolation is accurate, for a plot.
        breakaway : bool, default False
            Whether to find the breakaways and store them in the attributes.
        **options
            As for `assignment`, or with `p` as for `partition`.

        Returns
        -------
        xarray.Dataset
            See `sojourn.models.systems.service_modes.curve.curve` and
            `sojourn.models.systems.service_modes.curve.partition_curve`.

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError
            Before any solver starts; InputError also on `refine` or `breakaway` beside `p`.
        CurveInterruptedError
            On Ctrl-C, with the loads that were solved.

        Examples
        --------
        >>> from sojourn.models import DualMode
        >>> data = DualMode.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15)).curve([2.0, 3.0, 4.0])
        >>> data.p.values
        array([1., 0., 0.])
        """
        return self._curve_plan(loads, p, refine, breakaway=breakaway, **options).solve()

    @overload
    def model(self, load: float, p: npt.ArrayLike) -> PartitionProgram: ...

    @overload
    def model(self, load: float, p: None = None) -> sum_of_squares.Program | cell.Program: ...

    def model(
        self, load: float, p: npt.ArrayLike | None = None
    ) -> PartitionProgram | sum_of_squares.Program | cell.Program:
        """Return the CVXPY program of the best partition, or of the best assignment.

        It can be extended and solved by the caller.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below `max_load`.
        p : float or array_like, shape (M,), optional
            Assignment, as for `partition`. By default the program is that of `assignment`.

        Returns
        -------
        Program
            ``problem``, with the variables and parameters of the program: with `p` those of
            `sojourn.models.systems.service_modes.partition.Program`, with ``share``, shape (S, M),
            on which constraints can be put; else those of
            `sojourn.models.systems.service_modes.sum_of_squares.Program` or
            `sojourn.models.systems.service_modes.cell.Program`.

        Raises
        ------
        LoadError, InputError

        Examples
        --------
        >>> import cvxpy as cp
        >>> from sojourn.models import DualMode
        >>> model = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).model(load=4.0, p=0.5)
        >>> constraints = [*model.problem.constraints, model.share[0, 0] >= 0.35]
        >>> problem = cp.Problem(model.problem.objective, constraints)
        >>> _ = problem.solve(solver="CLARABEL")
        >>> model.share.value.round(4)
        array([[0.35  , 0.65  ],
               [0.5563, 0.4437]])
        """
        load = self.check_load(load)
        if p is not None:
            program = write_partition(*self.rates.time.shape)
            program.set_point(self.rates, load, check_assignment(self.rates, load, p))
            return program
        question, point = self._assignment_task().question, (np.array([load]),)
        written: sum_of_squares.Program | cell.Program = question.write("", point)
        for parameter, values in question.parameters(written, point):
            parameter.value = values[0]
        return written

    def check_load(self, load: float) -> float:
        """Return the load as a float; LoadError where it is not above 0 and below the largest."""
        return one_load(self.rates, load)

    def _assignment_task(
        self, **options: Unpack[PolishOptions]
    ) -> Task[Any, OperatingPoints, OperatingPoint]:
        """Task of the best assignment; ``solve(loads)`` solves it at many loads."""
        names, polish = (self.stages, self.modes), options.get("polish", True)
        pairs = needs_pairs(self.rates)
        most = 2 if pairs else most_used(self.rates)
        inner = Partition(self.rates, names, GapTolerance.of({}), most=most)
        tolerance = GapTolerance.of(options, ASSIGNMENT_GAP)
        kind = Assignment if pairs else CellAssignment
        task = Task(inner, {}, part=True)
        return Task(kind(self.rates, names, tolerance, task, polish), options)

    def _partition_task(
        self, **options: Unpack[PolishOptions]
    ) -> Task[Any, OperatingPoints, OperatingPoint]:
        """Task of the best partition; ``solve(loads, assignments)`` solves it at many points."""
        names, polish = (self.stages, self.modes), options.get("polish", True)
        return Task(Partition(self.rates, names, GapTolerance.of(options), polish), options)
