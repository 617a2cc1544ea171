"""Small programs of given kinds of cones, to try a solver and to warm it up."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from ..programs.cone_program import ConeProgram, Cones

INSIDE = {
    "zero": (1.0,),
    "nonnegative": (1.0,),
    "second_order": (1.0, 0.0, 0.0),
    "semidefinite": (1.0, 0.0, 1.0),
    "exponential": (-1.0, 0.0, 1.0),
    "power": (1.0, 1.0, 0.0),
}
"""A point inside the dual cone of the smallest cone of each kind, by the names in `Cones`."""


def one_of_each(cones: Cones) -> Cones:
    """Return one small cone of each kind that a cone has."""
    return Cones(
        zero=min(cones.zero, 1),
        nonnegative=min(cones.nonnegative, 1),
        second_order=(3,) if cones.second_order else (),
        semidefinite=(2,) if cones.semidefinite else (),
        exponential=min(cones.exponential, 1),
        power=cones.power[:1],
    )


def small_program(name: str, cones: Cones, *, squares: bool = False) -> ConeProgram:
    """Return the program to minimise c'x with x - c in a cone, for some c inside its dual cone.

    Its optimum is x = c: for z = x - c in the cone, c'x = c'c + c'z and c'z > 0 where z is not 0.
    There are points inside the cone and inside its dual.

    Parameters
    ----------
    name : str
    cones : Cones
        As `one_of_each` returns them.
    squares : bool, default False
        Whether to minimise x'x / 2 + c'x instead, of the same optimum.
    """
    kinds = [kind for kind, rows in cones.parts().items() if rows.stop > rows.start]
    c = np.concatenate([INSIDE[kind] for kind in kinds])
    identity = sp.eye_array(c.size, format="csc")
    return ConeProgram(
        name=name,
        P=identity if squares else sp.csc_array((c.size, c.size)),
        q=c,
        A=-identity,
        b=-c,
        cones=cones,
        variables={"x": (identity, c.shape)},
    )
