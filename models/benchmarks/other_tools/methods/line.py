"""Optimiser of queueing networks of LINE, ``line_solver.opt``, in an environment of its own."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import isolated_env
from ..answer import Answer, Unavailable
from ..instance import Instance

REQUIREMENT, PYTHON = "line-solver==3.0.8.0", "3.11"
GRACE = 60.0  # seconds to start, import and stop, beyond the time limit that LINE gets
STARTS = 20  # LINE's default is 4; most random starts are unstable
OPTIONS: dict[str, dict[str, Any]] = {"evolution": {}, "gradient": {"gradient_restarts": STARTS}}
SETTINGS = {
    "evolution": "its default, differential evolution",
    "gradient": f"L-BFGS-B, gradient_restarts={STARTS}",
}
PROGRAM = Path(__file__).parents[1] / "line_program.py"


@cache
def _python_command() -> list[str] | str:
    """Start of a command in LINE's environment, or the reason why there is none."""
    uv = isolated_env.find_uv()
    if uv is None:
        remedy = "pip install 'sojourn[other-tools]'"
        return f"uv, which makes its environment, is not installed; {remedy}"
    start = isolated_env.python_command(uv, REQUIREMENT, PYTHON)
    try:
        isolated_env.set_up(start, "line_solver")
    except Unavailable as reason:
        return f"its environment cannot be made ({reason}); it needs a package index, or uv's cache"
    return start


def solve(instance: Instance, limit: float, optimizer: str) -> Answer:
    """Optimise the routing for the least response time, within LINE's own time limit."""
    if instance.loads.size > 1:
        raise Unavailable("one load at a time, seconds each: see the other rows")
    start = _python_command()
    if isinstance(start, str):
        raise Unavailable(start)
    load = float(instance.loads[0])
    # LINE draws the shares of the servers one after the other, each from the rest of the load:
    # more of its random starts are stable where the fast servers come first
    order = np.argsort(-instance.rate, kind="stable")
    servers = {name: getattr(instance, name)[order].tolist() for name in ("rate", "cv", "delay")}
    options = {**OPTIONS[optimizer], "optimizer": optimizer, "seed": 1, "time_limit": limit}
    data = {**servers, "load": load, "options": options}
    result = isolated_env.call(start, PROGRAM, data, limit + GRACE)
    answer = _answer(result, load, optimizer, limit)
    return replace(answer, flow=answer.flow[:, np.argsort(order)])


def _answer(result: dict[str, Any], load: float, optimizer: str, limit: float) -> Answer:
    if result["share"] is None:
        evaluations = f"{result['evaluations']} evaluations"
        raise Unavailable(f"found no stable split in its {limit:g} s ({evaluations})")
    reason = result["terminated_by"]
    end = "stopped by its time limit" if reason == "time_limit" else f"ended by {reason}"
    certifies = f"nothing; {end}, reports {1e3 * result['objective']:.6g} ms"
    settings = "; ".join(
        [
            f"{REQUIREMENT}, Python {PYTHON}, {SETTINGS[optimizer]}",
            "seed 1, the fastest server first",
            "the start of its environment is not timed",
        ]
    )
    return Answer(load * np.array([result["share"]]), certifies, settings, result["seconds"])


METHODS = tuple((f"LINE, {name}", partial(solve, optimizer=name)) for name in OPTIONS)
