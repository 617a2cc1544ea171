"""The best assignment of jobs to any number of modes, with a certificate.

**Theorem 1.** At S stages some best assignment uses at most S modes; at most S + 1 with fixed
delays.

*Proof.* In p >= 0, not normalised, N_s(p) = (sum_m sqrt(p_m a_sm))^2 and
D_s(p) = sum_m p_m (1 - load a_sm) are of degree 1, so the delay sum_s N_s / D_s is of degree 0. Let
p be optimal and d = D(p) > 0. On P = {q >= 0 : D(q) = d} the delay is sum_s N_s(q) / d_s, which is
concave. P is the sum of the convex hull of its vertices and of directions of the orthant, along
which N_s does not fall; so some vertex v has no larger delay. A vertex has at most S positive
entries, and v / sum v is stable. A fixed delay, sum p_m d_m / sum p_m, takes sum q = sum p as one
more equation.

The search for the best of all faces of S modes is that of `sojourn.reference.service_modes.search`;
at two stages `sojourn.reference.service_modes.pairs` leaves out most of them before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import Array
from ..validation import check_within
from .capacity import capacity
from .cells import Problem
from .floor import floor
from .modes import Modes, of_modes
from .pairs import screen
from .partition import joint_delay
from .pruning import useful
from .search import FINE, Best, Cells, faces_of, prove
from .segment import too_close
from .stability import one_load
from .swaps import exchange

GAP = 1e-9
FACES = 200_000  # faces at all loads of a block of loads
MOST_FACES = 2_000_000  # at a load: more are not searched, and the bound is that of `floor`
GRADES = 34  # cells on either side of the best point of two modes, each twice as wide as the last


@dataclass(frozen=True, eq=False)
class Winner:
    """The best assignment of jobs to any number of modes, and what proves it.

    Attributes
    ----------
    support : ndarray of int
        Modes that get jobs, at most S, or S + 1 with fixed delays.
    assignment : ndarray, shape (M,)
        Fraction of the jobs in each mode.
    mean_delay : float
    lower_bound : float
        The mean delay of every assignment is at least this.
    gap : float
        Relative gap between the two, with the rounding error of the mean delay.
    elsewhere : float
        Without a `cell`, lower bound of the faces other than `face`, infinite where there is none:
        the lesser of it and a bound of the face holds for every assignment. With a cell it is that
        of every assignment.
    face : ndarray of int
        The modes of the face that was searched around the best assignment, `support` among them.
    cell : ndarray, shape (V, V), or None
        Vertices u, row by row, of the cell of the face around the best assignment in w = sqrt(p);
        None where two modes are enough.
    examined : int
        Number of cells of which a bound was computed.
    """

    support: npt.NDArray[np.intp]
    assignment: Array
    mean_delay: float
    lower_bound: float
    gap: float
    elsewhere: float
    face: npt.NDArray[np.intp]
    cell: Array | None
    examined: int


@of_modes
def winner(modes: Modes, load: float, gap: float = GAP) -> Winner:
    """Return the best assignment of any number of modes, and what proves it.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    load : float
        Total load above 0 and below the largest load, jobs per unit of time.
    gap : float, default 1e-9
        Relative gap to prove, where rounding allows it: near the largest load the rounding error of
        the delay is about 1e-15 / (1 - load / largest load).

    Returns
    -------
    Winner

    Raises
    ------
    LoadError, InputError
        On a load that is not above 0 and below the largest load, or a gap outside [1e-12, 0.1].
    """
    load, gap = one_load(modes, load), as_gap(gap)
    kept, some = useful(modes)
    best, lower, examined = search(some, np.array([load]), gap)
    face, p = best.support[:, 0], best.parts(some.modes)[0]
    elsewhere, cell = float(lower[0]), None
    if best.problem.support == 2 and np.count_nonzero(p) <= 2:
        others, more = prove(best, faces_of(some.modes, 2, 1, tuple(face.tolist())))
        elsewhere, examined = float(others[0]), examined + more
    elif best.problem.support > 1:
        cell = final_cell(best)
    assignment = np.zeros(modes.modes)
    assignment[kept] = p
    unit = best.problem.unit
    return Winner(
        np.flatnonzero(assignment),
        assignment,
        float(best.delay[0]) * unit,
        float(lower[0]) * unit,
        float(best.proven(lower)[0]),
        elsewhere * unit,
        kept[face],
        cell,
        examined,
    )


def best_points(modes: Modes, loads: Array, gap: float) -> tuple[Array, Array, Array, Array]:
    """Return the best assignments at stable loads, their delays, lower bounds and gaps.

    Shapes (K, M), (K,), (K,) and (K,).
    """
    kept, some = useful(modes)
    faces = math.comb(some.modes, Problem(some, loads).support)
    block = max(1, FACES // faces)
    assignment, rows = np.zeros((loads.size, modes.modes)), np.empty((3, loads.size))
    for at in range(0, loads.size, block):
        part = slice(at, at + block)
        best, lower, _ = search(some, loads[part], gap)
        assignment[part, kept] = best.parts(some.modes)
        unit = best.problem.unit
        rows[:, part] = best.delay * unit, lower * unit, best.proven(lower)
    return assignment, *rows


def prove_pair(modes: Modes, load: float, parts: Array, gap: float) -> tuple[float, float]:
    """Return a lower bound of the delay of two modes, and the gap of a best assignment to it."""
    problem = Problem(modes, np.array([load]))
    best = Best(problem, np.arange(2)[:, None], np.sqrt(parts)[:, None], gap)
    lower, _ = prove(best, iter([graded_cells(best)]))
    return float(lower[0]) * problem.unit, float(best.proven(lower)[0])


def search(modes: Modes, loads: Array, gap: float) -> tuple[Best, Array, int]:
    """Return the best points at stable loads, a lower bound at each, and the cells examined."""
    best = _start(modes, loads, gap)
    size = best.problem.support
    if 2 < size < modes.modes:
        exchange(best)
    others = np.full(loads.shape, np.inf)
    if math.comb(modes.modes, size) > MOST_FACES:
        lower, examined = np.zeros(loads.size), 0
    else:
        roots = faces_of(modes.modes, size, loads.size)
        if modes.modes == size == 2:
            roots = iter([graded_cells(best)])
        elif modes.stages == size == 2:
            cells, others = screen(best)
            roots = iter([cells])
        lower, examined = prove(best, roots)
    best.descend(FINE)
    lower = np.minimum(lower, others)
    if np.any(lower < best.delay * (1 - best.gap)):  # the search has ended early
        lower = np.maximum(lower, floor(best))
    return best, np.minimum(lower, best.delay), examined


def _start(modes: Modes, loads: Array, gap: float) -> Best:
    """Return the better of the best single mode and the assignment of the largest load."""
    problem = Problem(modes, loads)
    start = np.vstack([np.eye(modes.modes), capacity(modes).assignment])
    delays = joint_delay(modes, loads[:, None], start)
    pick, point = delays.argmin(axis=1), np.arange(loads.size)
    unstable = np.isinf(delays[point, pick])
    if unstable.any():
        raise too_close(float(loads[unstable][0]))
    parts = start[pick].T
    support = np.sort(np.argsort(-parts, axis=0, kind="stable")[: problem.support], axis=0)
    return Best(problem, support, np.sqrt(np.take_along_axis(parts, support, axis=0)), gap)


def graded_cells(best: Best) -> Cells:
    """Return cells of the faces of two modes, ever smaller towards the best points."""
    angle = np.arctan2(best.w[1], best.w[0])
    steps = 0.5 ** np.arange(GRADES)
    edges = np.concatenate([angle - steps[:, None], (angle + steps[:, None])[::-1]])
    edges = np.clip(edges, 0.0, np.pi / 2)
    cosine, sine = np.cos(edges), np.sin(edges)
    cosine[edges == np.pi / 2] = 0.0
    axes = np.eye(2)[:, :, None].repeat(angle.size, axis=2)
    lines = np.concatenate([axes[:1], np.stack([cosine, sine], axis=1), axes[1:]])
    cells = np.stack([lines[:-1], lines[1:]])  # vertex, cell, coordinate, load
    count, points = cells.shape[1], angle.size
    vertices = cells.transpose(0, 2, 1, 3).reshape(2, 2, count * points)
    support = np.tile(best.support, count)
    depth = np.zeros(count * points, dtype=np.intp)
    return Cells(support, np.tile(np.arange(points), count), vertices, depth)


def final_cell(best: Best) -> Array:
    """Return the vertices of a cell around the best point whose bound meets the gap, shape (V, V).

    It is a cell of the bisection of the best point's face. The lengths of the vertices are those of
    the best bound.
    """
    point = np.zeros(1, dtype=np.intp)
    faces, z = best.faces(), best.w
    cells = Cells.whole(best.support, point)
    target = best.delay * (1 - best.gap)
    while True:
        low = faces.bounds(cells.vertices, z, best.delay).least[0]
        both, apart = cells.halves(faces.edge_losses(cells.vertices, z, best.delay))
        if low >= target[0] or not apart[0]:
            break
        # the best point is a sum of the vertices of one half with weights of 0 or more
        weights = [np.linalg.solve(both.vertices[..., i].T, z[:, 0]).min() for i in (0, 1)]
        half = np.arange(2) == int(np.argmax(weights))
        cells = both.take(half)
    lengths = faces.lengths(cells.vertices, z, best.delay)
    scaled: Array = cells.vertices[..., 0] * lengths
    return scaled


def as_gap(gap: object) -> float:
    """Return a relative gap as a float; InputError unless it is from 1e-12 to 0.1."""
    problem, remedy = "is not a gap that can be proven", "give a number from 1e-12 to 0.1"
    return check_within("gap", gap, 1e-12, 0.1, problem, remedy)
