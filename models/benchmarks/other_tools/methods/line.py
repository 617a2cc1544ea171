"""LINE's optimiser of queueing networks, `line_solver.opt`, in an environment of its own."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import elsewhere
from ..answer import Answer, Skipped
from ..case import Case

REQUIREMENT, PYTHON = "line-solver==3.0.8.0", "3.11"
GRACE = 60.0  # seconds to start, import and stop, beyond the limit that LINE itself is given
STARTS = 20  # LINE's default is 4; most random starts are unstable
OPTIONS: dict[str, dict[str, Any]] = {"evolution": {}, "gradient": {"gradient_restarts": STARTS}}
PROGRAM = Path(__file__).parents[1] / "line_program.py"


@cache
def _environment() -> list[str] | str:
    """Return the beginning of a command, or why there is none; looked for once."""
    uv = elsewhere.find_uv()
    if uv is None:
        return "uv, which makes its environment, is not installed; pip install 'sojourn[peers]'"
    start = elsewhere.command(uv, REQUIREMENT, PYTHON)
    try:
        elsewhere.set_up(start, "line_solver")
    except Skipped as reason:
        return f"its environment cannot be made ({reason}); it needs a package index, or uv's cache"
    return start


def solve(case: Case, limit: float, optimizer: str) -> Answer:
    """Ask for the routing of least response time; LINE's time limit is ours."""
    if case.loads.size > 1:
        raise Skipped("one load at a time, seconds each: see the other rows")
    start = _environment()
    if isinstance(start, str):
        raise Skipped(start)
    load = float(case.loads[0])
    # LINE breaks the load into shares one after the other from random parts: more of these are stable where the fast servers come first
    order = np.argsort(-case.rate, kind="stable")
    servers = {name: getattr(case, name)[order].tolist() for name in ("rate", "cv", "delay")}
    options = {**OPTIONS[optimizer], "optimizer": optimizer, "seed": 1, "time_limit": limit}
    found = elsewhere.ask(
        start, PROGRAM, {**servers, "load": load, "options": options}, limit + GRACE
    )
    answer = _answer(found, load, optimizer, limit)
    return replace(answer, flow=answer.flow[:, np.argsort(order)])


def _answer(found: dict[str, Any], load: float, optimizer: str, limit: float) -> Answer:
    if found["share"] is None:
        raise Skipped(
            f"found no stable split in its {limit:g} s ({found['evaluations']} evaluations)"
        )
    options = {
        "evolution": "its default, differential evolution",
        "gradient": f"L-BFGS-B, gradient_restarts={STARTS}",
    }[optimizer]
    ended = {"time_limit": "stopped by its time limit"}.get(
        found["terminated_by"], f"ended by {found['terminated_by']}"
    )
    said = f"nothing; {ended}, says {1e3 * found['objective']:.6g} ms"
    settings = f"{REQUIREMENT}, Python {PYTHON}, {options}; seed 1, the fastest server first; the start of its environment is not timed"
    return Answer(load * np.array([found["share"]]), said, settings, found["seconds"])


METHODS = tuple(
    (f"LINE, {optimizer}", partial(solve, optimizer=optimizer))
    for optimizer in ("evolution", "gradient")
)
