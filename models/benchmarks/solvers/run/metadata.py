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
from typing import Any

from .solver import BenchmarkSolver
from .work import Built

PACKAGES = ("sojourn", "cvxpy", "numpy", "scipy")


def run_metadata(
    plan: Mapping[str, Any],
    solvers: Sequence[BenchmarkSolver],
    options: Mapping[str, Mapping[str, str]],
    left_out: Mapping[str, str],
    builds: Iterable[Built],
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

    Returns
    -------
    dict
        ``started`` (UTC), ``machine``, ``packages``, ``solvers`` (versions), ``settings``,
        ``left_out``, ``instances`` (their number and a digest), and what the plan has.
    """
    digests = sorted(built.digest for built in builds if built.digest)
    joined = hashlib.sha256("".join(digests).encode()).hexdigest()
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **plan,
        "instances": {"number": len(digests), "digest": joined},
        "machine": {
            "processor": processor(),
            "processors": os.cpu_count() or 0,
            "system": platform.platform(),
            "threads of a worker": 1,
            "Python": platform.python_version(),
        },
        "packages": {name: _version(name) for name in PACKAGES},
        "solvers": {solver.name: solver.version for solver in solvers},
        "settings": options,
        "left_out": left_out,
    }


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
