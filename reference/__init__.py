"""Closed forms and exact algorithms in numbers: NumPy and SciPy only, without CVXPY and cones.

The banks of servers here (`MM1`, `MD1`, `MG1`, `MixedBank`, and `ServerBank`, their base class)
hold numbers alone. Those of the same names in `sojourn.models` are subclasses of `ServerBank`
that add the cones of CVXPY. Every function here takes either. The convex models are checked
against these functions.

All times are in one unit and all rates in jobs per that unit.
"""

from . import parallel
from . import service_modes as service_modes
from .composed import MixedBank
from .errors import InputError, LoadError
from .mg1 import MD1, MG1, MM1
from .parallel import *
from .server_bank import ServerBank

__all__ = [
    "MD1",
    "MG1",
    "MM1",
    "InputError",
    "LoadError",
    "MixedBank",
    "ServerBank",
]
__all__ += parallel.__all__


def __dir__() -> list[str]:
    return sorted([*__all__, "parallel", "service_modes"])
