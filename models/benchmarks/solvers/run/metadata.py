"""Metadata of a run: machine, versions, settings, limits and instances."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple, Self

from ..settings import Settings
from .cvxpy_solver import CvxpySolver
from .solver import BenchmarkSolver
from .work import Built

PACKAGES = ("sojourn", "cvxpy", "numpy", "scipy")


class Moment(NamedTuple):
    """A moment of a run.

    Attributes
    ----------
    time : datetime.datetime
        UTC.
    load : float or None
        Processes that ran or waited to run, mean over the last minute; None where the system does
        not say.
    """

    time: datetime
    load: float | None

    @classmethod
    def now(cls) -> Self:
        """Return the present moment."""
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        return cls(datetime.now(UTC), None if load is None else round(load, 2))


def run_metadata(
    plan: Mapping[str, Any],
    solvers: Sequence[BenchmarkSolver],
    options: Mapping[str, Mapping[str, str]],
    left_out: Mapping[str, str],
    builds: Iterable[Built],
    started: Moment,
) -> dict[str, Any]:
    """Return the metadata of a run.

    Parameters
    ----------
    plan : mapping
        Arguments of the run: axes, limits, workers, seeds.
    solvers : sequence of BenchmarkSolver
    options : mapping
        By settings and solver: its options, or why it is not run.
    left_out : mapping
        By solver: why it does not run.
    builds : iterable of Built
    started : Moment
        When the run began; it ends now.

    Returns
    -------
    dict
        ``started`` and ``ended`` (UTC), ``machine``, ``packages``, ``solvers`` (versions),
        ``settings``, ``left_out``, ``instances`` (their number and a digest), and what the plan
        has.
    """
    ended, cores = Moment.now(), physical_cores()
    digests = sorted(built.digest for built in builds if built.digest)
    joined = hashlib.sha256("".join(digests).encode()).hexdigest()
    return {
        "started": started.time.isoformat(timespec="seconds"),
        "ended": ended.time.isoformat(timespec="seconds"),
        **plan,
        "instances": {"number": len(digests), "digest": joined},
        "machine": {
            "processor": processor(),
            "processors": os.cpu_count() or 0,
            "physical cores": cores,
            "more workers than physical cores": None if cores is None else plan["workers"] > cores,
            "load average at the start": started.load,
            "load average at the end": ended.load,
            "system": platform.platform(),
            "threads of a worker": 1,
            "Python": platform.python_version(),
        },
        "packages": {name: _version(name) for name in PACKAGES},
        "solvers": {solver.name: solver.version for solver in solvers},
        "settings": options,
        "left_out": left_out,
    }


def described(solver: BenchmarkSolver, settings: Settings, seconds: float) -> str:
    """Return the effective options of a solver as text, or why it is not run.

    Parameters
    ----------
    solver : BenchmarkSolver
    settings : Settings
    seconds : float
        Limit of time.
    """
    if refused := solver.settings_refusal(settings):
        return f"not run: {refused}"
    options = solver.options(settings, seconds)
    if isinstance(solver, CvxpySolver):
        options = solver.effective(options)
    return ", ".join(f"{name}={value}" for name, value in options.items()) or "none"


def physical_cores() -> int | None:
    """Return the number of cores without hyperthreads; None where it is not known."""
    try:
        import psutil
    except ImportError:
        return None
    found: int | None = psutil.cpu_count(logical=False)
    return found


def processor() -> str:
    """Return the model of the processor."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def code_digest() -> str:
    """Return what an instance is built by: a digest of this library, and versions of packages."""
    sha = hashlib.sha256()
    root = Path(__file__).parents[4]
    for path in sorted([*root.glob("models/**/*.py"), *root.glob("reference/**/*.py")]):
        sha.update(path.read_bytes())
    versions = " ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return f"{versions} {sha.hexdigest()[:16]}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
