"""The gap that answers are held to, in one place for every question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...reference.validation import as_positive, check_flag

POLISHED = 1e-9
"""Relative error that a polished answer must exclude, unless another gap is asked for."""
UNPOLISHED = 1e-4
"""The same for a solver's own answer; and the most that rounding excuses."""


@dataclass(frozen=True)
class GapTolerance:
    """What certifies an answer.

    Attributes
    ----------
    gap : float
        Largest relative error that its certificate may allow.
    given : bool
        Whether the user asked for this gap: then rounding excuses nothing.
    """

    gap: float
    given: bool

    @classmethod
    def of(cls, options: Mapping[str, Any], polished: float = POLISHED) -> GapTolerance:
        """Return what options ask for: ``gap``, else `polished`, or 1e-4 without ``polish``."""
        gap = options.get("gap")
        if gap is not None:
            return cls(check_gap(gap), given=True)
        return cls(
            polished if check_flag("polish", options.get("polish", True)) else UNPOLISHED,
            given=False,
        )

    def met(self, gap: npt.ArrayLike, rounding: npt.ArrayLike = 0.0) -> npt.NDArray[np.bool_]:
        """Whether gaps are small enough; one that rounding alone can cause is, up to 1e-4, where none was asked for."""
        limit = self.gap if self.given else np.maximum(self.gap, np.minimum(rounding, UNPOLISHED))
        return np.asarray(np.isfinite(gap) & (np.asarray(gap) <= limit))


def check_gap(gap: object) -> float:
    """Return a gap as a float; InputError on one that no certificate can miss, or none can meet."""
    return as_positive("gap", gap, "give a relative error such as 1e-6")
