"""Waits of staffed pools over the number of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .....reference.validation import check_list
from ....core.variables import variable
from .staffed import StaffedPools

if TYPE_CHECKING:
    from ....frontend.curve_dataset import Curve
    from .pools import Pools


def pools_curve(
    pools: Pools, load: npt.ArrayLike, totals: npt.ArrayLike, options: dict[str, Any]
) -> Curve:
    """Return the staffed pools of several totals as a dataset; see `Pools.curve`."""
    from ....frontend.curve_dataset import Curve  # xarray takes long to import

    answers: list[StaffedPools] = [
        pools.staff(load, total=total, **options) for total in check_list("totals", totals)
    ]

    def column(name: str) -> npt.NDArray[Any]:
        return np.array([getattr(answer, name) for answer in answers])

    unit, servers = pools.time_unit, column("servers")
    gap = np.array([answer.certificate.gap for answer in answers])
    over, each = ("total",), ("total", "pool")
    mean = variable(column("mean_wait"), "mean wait", "delay", over, unit)
    mean[-1].update(ancillary_variables="gap certified", quantity="wait")
    variables = {
        "mean_wait": mean,
        "wait": variable(column("wait"), "wait", "beside", each, unit),
        "gap": variable(gap, "certified relative error of the mean wait", "gap", over),
        "certified": variable(
            column("certified"), "whether the gap is small enough", "certified", over
        ),
        "servers": variable(servers, "number of servers", "number", each),
        "utilisation": variable(column("utilisation"), "utilisation", "share", each),
    }
    coords = {
        "total": ("total", column("total"), {"long_name": "number of servers"}),
        "pool": ("pool", list(pools.names)),
        "load": ("pool", answers[0].load, {"long_name": "load", "units": f"1/{unit}"}),
    }
    return Curve(variables, coords)
