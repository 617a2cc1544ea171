"""Robust fits of latencies whose best curve is known; sizes are samples.

A curve of the terms c >= c_min with the residuals r has the least loss if and only if the slopes
psi of the loss at r have psi' b_j = 0 for each function b_j of the basis whose term is above its
least value, and psi' b_j <= 0 for the others. So a curve and slopes with this property are chosen
first, and the samples are the curve plus residuals that have these slopes: samples with a gross
error have the largest slope, whatever the error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from .....reference.errors import Array
from ....latency.fit import (
    HUBER_THRESHOLD,
    basis_of,
    fit_program,
    huber_loss,
    knots_of,
    scales_of,
)
from ..accuracy import accuracy, for_any_values
from ..problem import Accuracy, Axes, Problem, ProblemInstance, Truth, Written

PIECES = 8
LEAST_SAMPLES = 12
SAMPLES_PER_TERM = 4  # at least
GROSS = 0.25  # part of the samples with a gross error, at most
UNIT = 0.1  # least gross error, and spread of the other errors, in median latencies
STEEPEST = 0.9  # slope of the loss at a sample without a gross error, of that at one with it


class Samples(NamedTuple):
    """Samples without their latencies.

    Attributes
    ----------
    load : ndarray, shape (m,)
        Loads as parts of the largest one, ascending.
    knots : ndarray, shape (P + 1,)
        Knots of the curve.
    straight : ndarray of bool, shape (P,)
        Pieces in which the best curve is straight.
    slope : ndarray, shape (m,)
        Slopes of the loss at the residuals, in units of the largest slope.
    error : ndarray, shape (m,)
        Gross errors; 0 where there is none.
    """

    load: Array
    knots: Array
    straight: npt.NDArray[np.bool_]
    slope: Array
    error: Array

    @property
    def basis(self) -> Array:
        """Functions of the basis at the samples, shape (m, P + 2)."""
        return basis_of(self.load, self.knots)

    def terms(self, part: float) -> Array:
        """Return the terms of the best curve, shape (P + 2,), in units of its median.

        The curve is like 1/(1 - part x), and rises to 1/sqrt(1 - part) in its last piece.
        """
        start, width = self.knots[:-1], np.diff(self.knots)
        bends = 2.0 * part**2 / (1.0 - part * start) ** 3 * ~self.straight
        bends[-1] = 2.0 / np.sqrt(1.0 - part) / width[-1] ** 2
        terms = np.concatenate([[1.0, part], bends]) * scales_of(self.basis)[0]
        return np.asarray(terms / np.median(self.basis / scales_of(self.basis)[0] @ terms))


def build(axes: Axes, rng: np.random.Generator) -> Samples:
    """Return n samples, or 12, with pairs of gross errors of opposite signs.

    The spread of rates is that of the gross errors.
    """
    n = max(axes.n, LEAST_SAMPLES)
    load = np.append(np.sort(rng.uniform(0.0, 1.0, n - 1)), 1.0)
    knots = knots_of(load, min(PIECES, n // SAMPLES_PER_TERM - 2))
    straight = rng.uniform(size=knots.size - 1) < 1 / 3
    straight[-1] = False
    basis = basis_of(load, knots)
    basis = basis / scales_of(basis)[0]
    descent = np.append([False, False], straight) * basis.sum(axis=0) * 0.1
    pairs = int(GROSS / 2 * n)
    while True:
        first, sign = 2 * rng.permutation(n // 2)[:pairs], rng.choice([-1.0, 1.0], pairs)
        slope = np.zeros(n)
        slope[first], slope[first + 1] = sign, -sign
        rest = np.flatnonzero(slope == 0)
        wanted = -descent - basis.T @ slope
        slope[rest] = np.linalg.lstsq(basis[rest].T, wanted, rcond=None)[0]
        if np.abs(slope[rest]).max() <= STEEPEST:
            break
        pairs, descent = max(1, pairs // 2), descent / 2
    error = UNIT * axes.rate_spread ** rng.uniform(0.0, 1.0, n)
    error[rest] = 0.0
    return Samples(load, knots, straight, slope, error)


class Fit(NamedTuple):
    """A loss: as a program, in numbers, and the residuals that have given slopes.

    Attributes
    ----------
    write : callable
        From CVXPY's residuals to their loss.
    number : callable
        From residuals to the loss of each.
    residual : callable
        From slopes, in units of the largest one, to the least residuals that have them.
    """

    write: Callable[[cp.Expression], cp.Expression]
    number: Callable[[Array], Array]
    residual: Callable[[Array], Array]


def huber(residual: Array) -> Array:
    """Return the loss of Huber."""
    size, most = np.abs(residual / UNIT), HUBER_THRESHOLD
    return np.asarray(np.where(size <= most, size**2, most * (2.0 * size - most)))


FITS: Mapping[str, Fit] = {
    "l1": Fit(cp.norm1, np.abs, np.zeros_like),
    "huber": Fit(huber_loss(UNIT), huber, lambda slope: UNIT * HUBER_THRESHOLD * slope),
}
KINDS: Mapping[str, frozenset[str]] = {"l1": frozenset(), "huber": frozenset({"QP"})}


def instance(samples: Samples, formulation: str, part: float) -> ProblemInstance:
    """Return the instance of a curve up to a part of the rate."""
    fit, terms = FITS[formulation], samples.terms(part)
    largest, least = scales_of(samples.basis)
    curves = samples.basis / largest
    residual = fit.residual(samples.slope) + np.sign(samples.slope) * samples.error
    latency = curves @ terms + residual

    def loss(found: Array) -> float:
        return float(fit.number(latency - curves @ found).mean())

    truth = Truth(loss(terms), terms)

    def write() -> Written:
        problem, variable = fit_program(samples.basis, latency, fit.write)
        return Written(problem, {"terms": variable})

    @for_any_values
    def judge(values: Mapping[str, Array]) -> Accuracy:
        found = values["terms"]
        return accuracy(truth, loss(found), [(least - found).max()], found)

    return ProblemInstance(truth, write, judge, truth.value, {"terms": terms})


PROBLEMS = (
    Problem(
        "measured-fit",
        "fit of measured latencies",
        build,
        lambda _: KINDS,
        instance,
        sizes=(30, 300),
        largest=10_000,
        spreads=((1e3, 0.0),),
        any_load=True,
    ),
)
