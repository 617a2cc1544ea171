"""Closed forms and exact algorithms in NumPy and SciPy: what the convex models are checked against."""

from .composed import Pool
from .errors import InputError, LoadError
from .mg1 import MD1, MG1, MM1
from .parallel import *  # noqa: F403  all that it names below
from .parallel import __all__ as _of_parallel_servers
from .queues import Queue

__all__ = ["MD1", "MG1", "MM1", "InputError", "LoadError", "Pool", "Queue", *_of_parallel_servers]
