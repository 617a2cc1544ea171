"""Closed forms and exact algorithms in NumPy and SciPy, against which the models are checked."""

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
