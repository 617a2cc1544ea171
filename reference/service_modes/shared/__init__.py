"""Stages that serve all service modes by processor sharing, in numbers.

`optimum`, `equilibrium` and `max_load` by the methods for routes of `sojourn.reference.routes`;
`modes_in_use` at every load; `TwoSharedModes`, the closed forms of two modes and two stages; and
`anarchy_bound`, from the optimum alone.
"""

from .anarchy_bound import anarchy_bound, selfish_delay_bound
from .few_modes import few_modes
from .hull import hull
from .routed import SharedAssignment, equilibrium, max_load, optimum
from .two_modes import TwoSharedModes
from .used_modes import ModesInUse, Threshold, modes_in_use

__all__ = [
    "ModesInUse",
    "SharedAssignment",
    "Threshold",
    "TwoSharedModes",
    "anarchy_bound",
    "equilibrium",
    "few_modes",
    "hull",
    "max_load",
    "modes_in_use",
    "optimum",
    "selfish_delay_bound",
]


def __dir__() -> list[str]:
    return sorted(__all__)
