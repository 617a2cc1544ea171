"""The recorded outputs: of the command, and of the README's calls at full precision."""

import contextlib
import dataclasses
import io
import json
import math
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any
from unittest import mock

import numpy as np

from sojourn import models as sj

PARALLEL = ("scenario-0", "scenario-1", "scenario-2", "scenario-3", "scenario-4")
DUAL_MODE = ("dual-a", "dual-b", "dual-c")
SHARED = ("dual-a-shared", "dual-b-shared", "dual-c-shared")
MODES = ("split-mobilenet",)
ROUTES = ("braess", "chain", "crossing", "regions")
AS_ROUTES = (*ROUTES, *SHARED)  # with the questions of systems with routes
SCENARIOS = tuple(sorted((*DUAL_MODE, *SHARED, *MODES, *PARALLEL, *ROUTES)))
COMMANDS = (
    "list",
    *(f"run {name}" for name in SCENARIOS),
    *(f"verify {name}" for name in SCENARIOS),
    *(f"anarchy {name}" for name in (*PARALLEL, "dual-b-shared", *ROUTES)),
    "run scenario-2 --load 540",
    "run scenario-2 --load 30000/min",
    "run scenario-1 --weights-in 50,30,20",
    "run scenario-4 --load 90%",
    "run dual-b --load 60%",
    "run crossing --load 95%",
)
UNSETTLED = {
    # one of many
    "routes", "gains", "optimum_group_delay",
    # the root of rounding errors, or the accuracy of a solver
    "mean_saving", "largest_saving", "potential_gap", "certificate", "attempts", "gap", "poa",
    "upper_bound", "equilibrium_gap",
    "price_of_anarchy_lower", "price_of_anarchy_upper", "price_of_reserving_lower",
    "price_of_reserving_upper", "thresholds",
}  # fmt: skip
"""Fields of answers of systems with routes that are no numbers of the system alone."""


def command(line: str) -> Any:
    """Return the output of a command, run in this process."""
    (main,) = (e.load() for e in entry_points(group="console_scripts") if e.name == "sojourn")
    arguments, printed, code = ["sojourn", *line.split(), "--json"], io.StringIO(), None
    with mock.patch("sys.argv", arguments), contextlib.redirect_stdout(printed):
        try:
            main()
        except SystemExit as stop:
            code = stop.code
    if code:
        raise RuntimeError(f"sojourn {line}: exit code {code}")
    found = json.loads(printed.getvalue())
    return settled(found) if set(AS_ROUTES) & set(arguments) else found


def settled(value: Any, goal: str = "") -> Any:
    """Return an output of a system with routes without numbers that are not unique."""
    if isinstance(value, list):
        return [settled(item, goal) for item in value]
    if not isinstance(value, dict):
        return value
    # a solver's own answer, a flow, which is known to the root of rounding errors near capacity, or
    # a threshold, which is known to the gap of the search
    if re.search(r"alone|\(|threshold", value.get("quantity", "")):
        return {key: value[key] for key in ("quantity", "load", "passed")}
    split = {"delay"} if goal == "optimum" else set()  # of groups, at the optimum
    return {
        key: settled(item, key if key in ("optimum", "equilibrium") else goal)
        for key, item in value.items()
        if key not in UNSETTLED | split
    }


def plain(value: Any) -> Any:
    """Return numbers, texts, lists and dictionaries; None for infinity, as the command does."""
    if hasattr(value, "to_dict"):
        return plain(value.to_dict())
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):  # also a ratio with bounds
        return float(value) if math.isfinite(value) else None
    return value


def ratio(poa: sj.PriceOfAnarchy) -> dict[str, float]:
    """Return a price of anarchy with its bounds."""
    return {"poa": float(poa), "poa_lower": poa.lower, "poa_upper": poa.upper}


def rows(data: Any) -> list[Any]:
    """Return a curve as one record a load, so that each flow stands beside its load."""
    names = ("load", *data.data_vars)
    found = [data.isel(load=k) for k in range(data.sizes["load"])]
    return [{str(name): plain(row[name].values) for name in names} for row in found]


def readme() -> dict[str, Any]:
    """Return the numbers of the README's blocks that do not depend on a solver's accuracy."""
    bank = sj.MM1(rate=[100, 80, 200], delay=[0.005, 0.005, 0.020])
    system = sj.ParallelServers(bank, names=["edge 1", "edge 2", "cloud"])
    curve = system.curve(np.linspace(1, 375, 1000))
    clouds = [sj.MM1([100, 80, 200], [0.005, 0.005, d / 1000]) for d in (5, 20, 80)]
    study = sj.study([sj.ParallelServers(b) for b in clouds], loads=[0.3, 0.6, 0.9], relative=True)
    load = np.linspace(1, 25, 40)
    mixed = sj.ParallelServers(
        sj.MM1(40),
        sj.MMc(15, servers=3, delay=0.010),
        sj.Measured(load, 0.02 + 1 / (40 - load)),
        sj.Constant(0.120),
        names=["device", "station", "db", "cloud"],
    )
    percentile, budget = (
        sj.ServerPercentile(0.99, within=0.150),
        sj.Budget(price=[1, 1, 2], at_most=290),
    )
    limits = [sj.MaxShare([1, 1, 0.5]), percentile, budget]
    pair = sj.DualMode.canonical(mu0=1, K=4, f=(0.1, 0.3))
    found = {
        "optimum": system.optimum(load=190),
        "price of anarchy": ratio(system.price_of_anarchy(load=80)),
        "certificate": ratio(system.price_of_anarchy(load=190)),
        "largest of the curve": curve.price_of_anarchy.values.max(),
        "study": study.price_of_anarchy.values,
        "worst case": system.worst_case(),
        "players": system.equilibrium(load=80, players=4),
        "control": {"load": 80.0, **system.control(load=80, fraction=0.1).to_dict()},
        "tolls": {"toll": system.tolls(load=80).toll},
        "sensitivity": system.sensitivity(load=190),
        "families": mixed.optimum(load=60),
        "families, price of anarchy": ratio(mixed.price_of_anarchy(load=60)),
        "families, worst case": mixed.worst_case(up_to=120),
        "families, beyond the samples": mixed.equilibrium(load=130),
        "limits": system.optimum(load=190, subject_to=limits),
        "assignment": pair.assignment(load=4.5),
        "breakaway": pair.breakaway(),
        "split": system.evaluate(load=190, weights=[50, 30, 20]),
    }
    return plain(found)


def curves() -> dict[str, Any]:
    """Return a curve of every built-in scenario at the loads of `verify`: the compiled sweeps."""
    found = {}
    for name in SCENARIOS:
        scenario = sj.load_scenario(name)
        most = scenario.system.max_load
        most = most if math.isfinite(most) else scenario.load
        loads = most * np.array([0.1, 0.5, 0.9, 0.999])
        found[name] = rows(scenario.system.curve(loads))
        if name in AS_ROUTES:
            *below, near = settled(found[name])
            # near capacity flows are known to the root of rounding errors
            found[name] = [*below, {k: v for k, v in near.items() if not k.endswith("_flow")}]
        if name in DUAL_MODE:
            p = np.mean(scenario.system.stable_interval(loads[-1]))
            found[f"{name}, p given"] = rows(scenario.system.curve(loads, p=p))
    return found


OUTPUTS: dict[str, Callable[[], Any]] = {
    **{re.sub(r"\W+", "-", line).strip("-"): lambda line=line: command(line) for line in COMMANDS},
    "readme": readme,
    "curves": curves,
}
"""By the name of the file in this folder."""
