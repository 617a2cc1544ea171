"""The largest gap that certifies an answer, decided in one place for every question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...reference.validation import as_positive, check_flag

POLISHED = 1e-9
"""Default largest gap of an answer refined by Newton steps."""
UNPOLISHED = 1e-4
"""Default largest gap of a solver's own answer, and the largest gap accepted as rounding error."""


@dataclass(frozen=True)
class GapTolerance:
    """The largest gap that certifies an answer.

    Attributes
    ----------
    gap : float
        Largest relative error that a certificate may allow.
    given : bool
        Whether the user gave this gap; then it holds whatever the rounding error.
    """

    gap: float
    given: bool

    @classmethod
    def of(cls, options: Mapping[str, Any], polished: float = POLISHED) -> GapTolerance:
        """Return the tolerance that options describe.

        Parameters
        ----------
        options : mapping
            Its key ``gap`` is the tolerance where it is given and not None.
        polished : float
            The tolerance otherwise; 1e-4 if the key ``polish`` is False.
        """
        gap = options.get("gap")
        if gap is not None:
            return cls(check_gap(gap), given=True)
        polish = check_flag("polish", options.get("polish", True))
        return cls(polished if polish else UNPOLISHED, given=False)

    def met(self, gap: npt.ArrayLike, rounding: npt.ArrayLike = 0.0) -> npt.NDArray[np.bool_]:
        """Return which gaps certify an answer.

        Parameters
        ----------
        gap : array_like, shape (...)
            Gaps of certificates.
        rounding : array_like, broadcastable to `gap`
            Gaps that rounding alone can cause. They are accepted up to 1e-4, unless the user gave
            the tolerance.
        """
        limit = self.gap if self.given else np.maximum(self.gap, np.minimum(rounding, UNPOLISHED))
        return np.asarray(np.isfinite(gap) & (np.asarray(gap) <= limit))


def check_gap(gap: object) -> float:
    """Return a gap as a float; InputError where it is not a finite number above 0."""
    return as_positive("gap", gap, "give a relative error such as 1e-6")
