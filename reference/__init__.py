"""Closed forms and exact algorithms in NumPy and SciPy: what the convex models are checked against."""

from .composed import MixedBank
from .errors import InputError, LoadError
from .mg1 import MD1, MG1, MM1
from .parallel import *  # noqa: F403  all that it names below
from .parallel import __all__ as _of_parallel_servers
from .server_bank import ServerBank

__all__ = [
    "MD1",
    "MG1",
    "MM1",
    "InputError",
    "LoadError",
    "MixedBank",
    "ServerBank",
    *_of_parallel_servers,
]
