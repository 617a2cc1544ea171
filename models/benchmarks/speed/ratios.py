"""How long things take, as ratios of one run: `sojourn.models.benchmarks.timings` run by pytest-benchmark, read back as a table."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ....reference.errors import InputError
from ...core.progress import Ticker

GROWTH = "growth of "
FIT_FROM = 1000  # servers from which the exponent is fitted: below, what a call costs at all is what is seen
PACKAGES = ("cvxpy", "clarabel", "numpy", "scipy")


@dataclass(frozen=True)
class Row:
    """One measurement: seconds a unit of work of a thing, the least of its rounds, and how many times what it is held against it takes."""

    what: str
    who: str
    unit: str
    seconds: float
    against: str
    ratio: float


@dataclass(frozen=True)
class Speed:
    """The ratios of one run, how cost grows, and where that was measured.

    Attributes
    ----------
    rows : tuple of Row
    growth : xarray.Dataset
        ``seconds`` over ``what`` and ``servers``, NaN where not measured, and ``exponent`` over ``what``: the slope of log seconds against log
        servers from 1,000 servers on.
    machine : dict of str
        Processor, Python and versions.
    """

    rows: tuple[Row, ...]
    growth: xr.Dataset = field(repr=False)
    machine: dict[str, str]

    @property
    def title(self) -> str:
        """Where and with what it was measured."""
        return "; ".join(f"{name} {value}" if name != "processor" else value for name, value in self.machine.items())

    def cells(self) -> list[tuple[str, str, str, str, str]]:
        """Return the rows as text: what, who, time, ratio, to."""
        return [(r.what, r.who, _time(r.seconds) + (f" a {r.unit}" if r.unit else ""), f"{r.ratio:.3g}", r.against) for r in self.rows]

    def table(self) -> Table:
        """Return the rows as a table for `rich`."""
        out = Table(title=f"least times of one run on {self.title}", box=SIMPLE_HEAD)
        for heading in HEADINGS:
            out.add_column(heading, justify="right" if heading in ("time", "ratio") else "left")
        for cells in self.cells():
            out.add_row(*cells)
        for name, exponent in zip(self.growth["what"].values, self.growth["exponent"].values, strict=True):
            out.add_row(f"growth, {FIT_FROM:,} servers on", str(name), f"n^{exponent:.2f}")
        return out

    def markdown(self) -> str:
        """Return the rows as a Markdown table with the machine above it."""
        lines = [f"Least times of one run of `sojourn bench speed` on {self.title}.", ""]
        lines += ["| " + " | ".join(HEADINGS) + " |", "|---|---|---:|---:|---|"]
        lines += ["| " + " | ".join(cells) + " |" for cells in self.cells()]
        grown = zip(self.growth["what"].values, self.growth["exponent"].values, strict=True)
        lines += ["", f"Growth with n servers from {FIT_FROM:,} on: " + ", ".join(f"{name} n^{e:.2f}" for name, e in grown) + "."]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON."""
        seconds = {str(w): dict(zip(self.growth["servers"].values.tolist(), s, strict=True)) for w, s in self._seconds()}
        return {"machine": self.machine, "rows": [vars(r) for r in self.rows], "growth": seconds}

    def _seconds(self) -> list[tuple[str, list[float | None]]]:
        table = self.growth["seconds"].values
        return [(str(w), [None if np.isnan(s) else float(s) for s in row]) for w, row in zip(self.growth["what"].values, table, strict=True)]


HEADINGS = ("what", "who", "time", "ratio", "to")


def speed(*, small: bool = False) -> Speed:
    """Time sweeps, closed forms, worst cases and growth, each beside what it is held against; about three minutes.

    Parameters
    ----------
    small : bool
        Small sizes and one round each: to see that all runs.

    Raises
    ------
    InputError
        Where pytest-benchmark is not installed.
    RuntimeError
        Where a benchmark failed, with what it said.
    """
    if importlib.util.find_spec("pytest_benchmark") is None:
        raise InputError("bench", "speed", "needs pytest-benchmark", "pip install 'sojourn[bench]'")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        _run(report, small=small)
        found = json.loads(report.read_text(encoding="utf-8"))
    return read(found)


def read(found: dict[str, Any]) -> Speed:
    """Return the ratios in a report of pytest-benchmark: of the least times, which a busy machine disturbs least."""
    groups: dict[str, list[tuple[str, str, float]]] = {}
    for one in found["benchmarks"]:
        told = one["extra_info"]
        groups.setdefault(told["row"], []).append((told["who"], told["unit"], one["stats"]["min"] / told["per"]))
    rows = [row for what, group in groups.items() if not what.startswith(GROWTH) for row in _rows(what, group)]
    grown = {what.removeprefix(GROWTH): {int(who): s for who, _, s in group} for what, group in groups.items() if what.startswith(GROWTH)}
    info = found["machine_info"]
    machine = {"processor": f"{info['cpu'].get('brand_raw', info['machine'])}, {info['cpu'].get('count', os.cpu_count())} cores"}
    machine |= {"Python": info["python_version"]} | {p: version(p) for p in PACKAGES}
    return Speed(tuple(rows), _growth(grown), machine)


OURS = ("curve", "sweep", "certificates", "optimum", "equilibrium", "certified to 1e-8", "model")


def _rows(what: str, group: list[tuple[str, str, float]]) -> list[Row]:
    """Each thing of ours against each of the others."""
    ours, others = [g for g in group if g[0] in OURS], [g for g in group if g[0] not in OURS]
    return [Row(what, who, unit, s, other, s / t) for who, unit, s in ours for other, _, t in others]


def _growth(grown: dict[str, dict[int, float]]) -> xr.Dataset:
    servers = sorted({n for times in grown.values() for n in times})
    seconds = np.array([[times.get(n, np.nan) for n in servers] for times in grown.values()])
    exponents = [_exponent(times) for times in grown.values()]
    return xr.Dataset(
        {"seconds": (("what", "servers"), seconds.reshape(len(grown), len(servers)), {"units": "s"}), "exponent": ("what", exponents)},
        coords={"what": list(grown), "servers": servers},
    )


def _exponent(times: dict[int, float]) -> float:
    """Slope of log seconds against log servers; NaN with too few sizes."""
    large = {n: s for n, s in times.items() if n >= FIT_FROM}
    return float(np.polyfit(np.log(list(large)), np.log(list(large.values())), 1)[0]) if len(large) > 1 else float("nan")


def _run(report: Path, *, small: bool) -> None:
    """Let pytest-benchmark run the files, away from any settings of the user's."""
    folder = Path(__file__).with_name("timings")
    settings = ["python_files=bench_*.py", "python_functions=bench_*", "addopts=", "filterwarnings="]
    command = [sys.executable, "-m", "pytest", str(folder), "-c", os.devnull, "--rootdir", str(folder), "--import-mode=importlib", "-v"]
    command += ["-p", "no:cacheprovider", *(part for s in settings for part in ("-o", s)), f"--benchmark-json={report}"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    said: list[str] = []
    if small:
        command.append("--small")
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with Ticker("timings") as tick, subprocess.Popen(command, env=environment, **pipes) as job:  # noqa: S603
        for line in job.stdout or ():
            said.append(line)
            if "::" in line:
                tick.step(line.split("::", 1)[1].strip())
    if job.returncode:
        raise RuntimeError("the benchmarks failed:\n" + "".join(said[-40:]))


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"
