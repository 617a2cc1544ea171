"""Closed forms of two stages shared by two modes, without fixed delays.

Let D1 = a_12 - a_11 and D2 = a_21 - a_22 be the works that mode 2 has more at stage 1 and less at
stage 2, both above 0: else one mode is at least as fast at both stages, and all jobs are in it. All
jobs are in the mode of less total work at light load, mode 1 if D1 >= D2. Where both modes are in
use, the spare capacities z_s = 1 - load A_s have the ratio z_1/z_2 = w_1/w_2, with w_s = sqrt(D_s)
at the optimum and w_s = D_s at the equilibrium of selfish users. So with W = w_1 D2 + w_2 D1 and
det = a_12 a_21 - a_11 a_22

    p = (w_1 (1 - load a_22) - w_2 (1 - load a_12)) / (load W),  z_s = w_s (D1 + D2 - load det) / W,

and from T = (1/z_1 + 1/z_2 - 2)/load the mean delays, with q_s = sqrt(D_s),

    optimum      ((q_1 + q_2)^2 / (D1 + D2 - load det) - 2) / load,
    equilibrium  2 / (mu* - load),   mu* = (D1 + D2)/det.

In the canonical form of Jeff and Modiano D1/D2 = K and mu* = (K + 1) mu0, their tunable-mode system
at the local part f(p) is this system, and the load at which the optimum starts to use mode 2 is the
bound of their Theorem 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...errors import InputError
from ...validation import check_choice, check_instance
from ..capacity import capacity
from ..modes import Modes
from ..stability import one_load

Goal = Literal["optimum", "equilibrium"]
GOALS = ("optimum", "equilibrium")


@dataclass(frozen=True, eq=False)
class TwoSharedModes:
    """Two stages, each shared by two modes, in closed form.

    Parameters
    ----------
    modes : Modes
        Two stages and two modes without fixed delays.

    Raises
    ------
    InputError
        On another number of stages or modes, and on fixed delays.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> pair = TwoSharedModes(Canonical(1.0, 4.0, 0.1, 0.3).dual_mode)
    >>> round(pair.thresholds("equilibrium")[0], 9), round(pair.p("equilibrium", 4.0), 9)
    (3.75, 0.875)
    """

    modes: Modes

    def __post_init__(self) -> None:
        modes = self.modes
        problem, remedy = "is not the rates of service modes", "give Modes"
        check_instance("modes", modes, Modes, problem, remedy)
        if modes.time.shape != (2, 2):
            problem = "is not two stages and two modes"
            raise InputError("modes", modes.time.shape, problem, "use modes_in_use and optimum")
        if modes.delay.any():
            problem = "has fixed delays, of which there is no closed form"
            remedy = "use modes_in_use and optimum"
            raise InputError("modes", modes.delay.tolist(), problem, remedy)

    @property
    def differences(self) -> tuple[float, float]:
        """(D1, D2): what mode 2 has more of stage 1, and mode 1 more of stage 2."""
        (a11, a12), (a21, a22) = self.modes.time.tolist()
        return a12 - a11, a21 - a22

    @property
    def determinant(self) -> float:
        """a_12 a_21 - a_11 a_22."""
        (a11, a12), (a21, a22) = self.modes.time.tolist()
        return float(a12 * a21 - a11 * a22)

    @property
    def crossing(self) -> bool:
        """Whether each mode has less work than the other at one of the stages."""
        first, second = self.differences
        return first * second > 0

    @property
    def lighter(self) -> int:
        """Index of the mode with all jobs at light load: that of less work in total."""
        first, second = self.differences
        return 0 if first >= second else 1

    def weights(self, goal: Goal) -> tuple[float, float]:
        """Return (w_1, w_2), the ratio of the spare capacities where both modes are in use."""
        check_choice("goal", goal, GOALS, "use optimum or equilibrium")
        first, second = (abs(d) for d in self.differences)
        return (math.sqrt(first), math.sqrt(second)) if goal == "optimum" else (first, second)

    def p(self, goal: Goal, load: float) -> float:
        """Return the part of the jobs in mode 1.

        Raises
        ------
        LoadError
            On a load that is not above 0 and below the largest load.
        """
        load = one_load(self.modes, load)
        (w1, w2), (d1, d2) = self.weights(goal), self.differences
        if not self.crossing:
            return 1.0 - self.lighter
        _, a12, _, a22 = self.modes.time.ravel().tolist()
        share = w1 * (1.0 - load * a22) - w2 * (1.0 - load * a12)
        return min(max(share / (load * (w1 * d2 + w2 * d1)), 0.0), 1.0)

    def mean_delay(self, goal: Goal, load: float) -> float:
        """Return the mean delay of a job; LoadError as for `p`."""
        p, used = self.p(goal, load), self.modes.time
        if 0 < p < 1:
            (q1, q2), (d1, d2) = self.weights("optimum"), self.differences
            left = d1 + d2 - load * self.determinant
            if goal == "equilibrium":
                return 2.0 * self.determinant / left
            return (2.0 * load * self.determinant - (q1 - q2) ** 2 * _sign(d1)) / (load * left)
        work = used[:, 0] if p == 1 else used[:, 1]
        return float(np.sum(work / (1.0 - load * work)))

    def thresholds(self, goal: Goal) -> tuple[float | None, float | None]:
        """Return the loads from which on both modes are in use, and from which one is left.

        At light load all jobs are in the mode of less work; from the first load on the other is
        in use too, from the second on alone. None where that never happens.
        """
        w1, w2 = self.weights(goal)
        if not self.crossing:
            return None, None
        (a11, a12), (a21, a22) = self.modes.time.tolist()
        # the loads at which p, which falls or rises with the load, is 1 and 0
        pure = _ratio(w1 - w2, w1 * a21 - w2 * a11), _ratio(w1 - w2, w1 * a22 - w2 * a12)
        starts, stops = pure if self.lighter == 0 else pure[::-1]
        most = capacity(self.modes).max_load
        return (
            starts if 0 <= starts < most else None,
            stops if 0 < stops < most else None,
        )

    def price_of_anarchy(self, load: float) -> float:
        """Return the mean delay of the equilibrium over that of the optimum."""
        return self.mean_delay("equilibrium", load) / self.mean_delay("optimum", load)

    @property
    def saturated_price(self) -> float:
        """Limit of the price of anarchy as the load tends to the largest: 2(K + 1)/(1 + sqrt K)^2.

        With K = D1/D2. It is 1 where one stage alone is full at the largest load.
        """
        q1, q2 = self.weights("optimum")
        ends = capacity(self.modes).assignment
        both = self.crossing and bool((ends > 0).all()) and q1 + q2 > 0
        return 2.0 * (q1**2 + q2**2) / (q1 + q2) ** 2 if both else 1.0

    @property
    def largest_price(self) -> tuple[float, float]:
        """Price of anarchy, and load, where selfish users start to use the second mode.

        No load was found with a larger price of anarchy; there is no proof. (1, 0) where they never
        start.
        """
        starts, _ = self.thresholds("equilibrium")
        return (1.0, 0.0) if not starts else (self.price_of_anarchy(starts), starts)


def _sign(number: float) -> float:
    return math.copysign(1.0, number)


def _ratio(over: float, under: float) -> float:
    """Return a quotient, infinite for 0 below; the sign of a load that never comes is negative."""
    return over / under if under != 0 else math.inf
