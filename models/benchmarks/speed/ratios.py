"""Benchmark of speed: times as ratios within one run, as table, Markdown and plot.

pytest-benchmark runs the files ``bench_*.py`` beside this one; its report is read back.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape

from ....reference.errors import InputError
from ...core.progress import StatusLine
from ...frontend.report import File, Report, picture
from ...frontend.tables import table
from .growth_plot import plot_growth

if TYPE_CHECKING:
    from rich.table import Table

GROWTH = "growth of "
"""Start of the names of rows that belong to the plot of growth."""
PACKAGES = ("cvxpy", "clarabel", "numpy", "scipy")
HEADINGS = ("what", "who", "time", "ratio", "to", "difference", "at most", "met")
PRINTED_LINES = 40  # of the output of a failure
OURS = (
    "curve",
    "sweep",
    "certificates",
    "best assignments",
    "branch and bound",
    "optimum",
    "equilibrium",
    "certified to 1e-8",
    "model",
    "study",
    "two processes",
    "first answer",
    "sojourn run scenario-1",
    "queues",
    "whole weights",
    "least percentile",
    "rates",
    "split and rates",
    "simulation",
)
"""Values of ``who`` that are this library; the others are compared with them."""
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))


@dataclass(frozen=True)
class Row:
    """Time of this library for one task, and its ratio to the time of something else.

    Attributes
    ----------
    what : str
        Task.
    who : str
        Part of this library that does it.
    unit : str
        Unit of work, such as a load; "" for the whole task.
    seconds : float
        Least time of all rounds, per unit of work.
    against : str
        Other method; "" without one.
    ratio : float or None
        `seconds` divided by those of the other method.
    at_most : float or None
        Target: the largest ratio.
    """

    what: str
    who: str
    unit: str
    seconds: float
    against: str
    ratio: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the ratio meets its target; None without a target or another method."""
        if self.at_most is None or self.ratio is None:
            return None
        return self.ratio <= self.at_most

    @property
    def difference(self) -> float | None:
        """Time less that of the other method, seconds per unit of work."""
        return None if self.ratio is None else self.seconds * (1 - 1 / self.ratio)

    @property
    def cells(self) -> tuple[str, ...]:
        """Text of the row, in the order of `HEADINGS`."""
        time = _duration(self.seconds) + (f" a {self.unit}" if self.unit else "")
        ratio, target = (
            "" if n is None else f"{n:.{d}g}" for n, d in ((self.ratio, 3), (self.at_most, 6))
        )
        difference = "" if self.difference is None else _duration(self.difference)
        met = {None: "", True: "yes", False: "no"}[self.met]
        return self.what, self.who, time, ratio, self.against, difference, target, met


def _duration(seconds: float) -> str:
    """Return a time, or a difference of two, with three digits and its unit."""
    size, name = next((u for u in UNITS if abs(seconds) >= u[0]), UNITS[-1])
    return f"{seconds / size:.3g} {name}"


@dataclass(frozen=True)
class Speed:
    """Ratios of one run, growth of the times, and the machine.

    Attributes
    ----------
    machine : dict of str
        Processor, Python and versions.
    rows : list of Row
    growth : mapping
        By method: seconds by size, None where not measured.
    left_out : list of str
        Reasons why timings are left out.
    """

    machine: dict[str, str]
    rows: list[Row]
    growth: Mapping[str, Mapping[int, float | None]]
    left_out: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Machine and versions as one line of text."""
        return "; ".join(
            value if name == "processor" else f"{name} {value}"
            for name, value in self.machine.items()
        )

    @property
    def exponents(self) -> dict[str, float]:
        """By method: slope of log seconds over log size, of the larger sizes; see `exponent`."""
        return {what: exponent(seconds) for what, seconds in self.growth.items()}

    def table(self) -> Table:
        """Return the rows as a table of `rich`."""
        growth = [
            ("growth of the larger sizes", what, f"n^{e:.2f}") for what, e in self.exponents.items()
        ]
        rows = [*(row.cells for row in self.rows), *growth]
        title = f"least times of one run on {self.title}"
        caption = "\n".join(f"left out: {escape(reason)}" for reason in self.left_out)
        return table(HEADINGS, rows, text=("what", "who", "to"), title=title, caption=caption)

    def markdown(self) -> str:
        """Return the rows as a Markdown table with the machine above it."""
        cells = (HEADINGS, *(row.cells for row in self.rows))
        head, *rows = ("| " + " | ".join(row) + " |" for row in cells)
        growth = ", ".join(f"{what} n^{e:.2f}" for what, e in self.exponents.items())
        lines = [
            f"Least times of one run of `sojourn bench speed` on {self.title}.",
            "",
            head,
            "|---|---|---:|---:|---|---:|---:|---|",
            *rows,
            "",
            f"Growth with n, fitted to the larger sizes: {growth}.",
            *(f"\nLeft out: {reason}." for reason in self.left_out),
        ]
        return "\n".join(lines) + "\n"


def report(folder: Path) -> Iterator[Report]:
    """Yield the report: ratios as Markdown and JSON, and a plot of growth, in a folder."""
    measured = speed()
    markdown = measured.markdown()
    files: list[File] = [
        (f"{folder / 'speed.md'}", lambda path: path.write_text(markdown, encoding="utf-8")),
        picture(f"{folder / 'growth'}", lambda: plot_growth(measured.growth, measured.exponents)),
    ]
    yield Report(measured, [measured.table()], [files], name=f"{folder / 'speed'}")


def speed(*, small: bool = False) -> Speed:
    """Time single answers, curves, studies, service modes, closed forms, worst cases and growth.

    This takes about five minutes.

    Parameters
    ----------
    small : bool, default False
        Whether to take small sizes and one round each, to test that every timing runs.

    Returns
    -------
    Speed

    Raises
    ------
    InputError
        Where pytest-benchmark is not installed.
    RuntimeError
        Where a timing failed, with the end of its output.
    """
    if importlib.util.find_spec("pytest_benchmark") is None:
        raise InputError("bench", "speed", "needs pytest-benchmark", "pip install 'sojourn[bench]'")
    return read(run_timings(Path(__file__).parent, small=small))


def run_timings(folder: Path, *, small: bool = False) -> dict[str, Any]:
    """Run the timings in a folder by pytest, and return the report of pytest-benchmark.

    Settings of the user's own projects have no effect.
    """
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "report.json"
        command = [*_pytest_command(folder), f"--benchmark-json={file}"]
        returncode, printed = _run(command, small=small)
        if returncode:
            raise RuntimeError("the benchmarks failed:\n" + "".join(printed[-PRINTED_LINES:]))
        measured: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return measured


def _pytest_command(folder: Path) -> list[str]:
    settings = (
        "python_files=bench_*.py",
        "python_functions=bench_*",
        "addopts=",
        "filterwarnings=",
    )
    overrides = [part for setting in settings for part in ("-o", setting)]
    plugins = ["-p", "no:cacheprovider", "-p", f"{__package__}.plugin"]
    places = [str(folder), "-c", os.devnull, "--rootdir", str(folder)]
    options = [*places, "--import-mode=importlib", "-v", *plugins, *overrides]
    return [sys.executable, "-m", "pytest", *options]


def _run(command: list[str], *, small: bool) -> tuple[int, list[str]]:
    """Exit code and output of pytest, with the running test in the status line."""
    from .plugin import SMALL

    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    if small:
        environment[SMALL] = "yes"
    printed: list[str] = []
    process = subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with StatusLine("timings") as status, process:
        try:
            for line in process.stdout or ():
                printed.append(line)
                if "::" in line:
                    status.step(line.split("::", 1)[1].strip())
        except KeyboardInterrupt:  # an interrupt of this process alone does not reach pytest
            process.kill()
            raise
    return process.returncode, printed


def read(report: Mapping[str, Any]) -> Speed:
    """Return the ratios of a report of pytest-benchmark.

    They are those of the least times, which other load on the machine disturbs least.
    """
    seconds: dict[str, dict[str, float]] = defaultdict(dict)
    units: dict[str, str] = {}
    targets: dict[str, float | None] = {}
    for benchmark in report["benchmarks"]:
        info = benchmark["extra_info"]
        seconds[info["row"]][info["who"]] = benchmark["stats"]["min"] / info["per"]
        units[info["row"]] = info["unit"]
        targets[info["row"]] = targets.get(info["row"]) or info.get("at_most")
    growth = {
        what.removeprefix(GROWTH): seconds.pop(what)
        for what in list(seconds)
        if what.startswith(GROWTH)
    }
    sizes = sorted({int(n) for by_size in growth.values() for n in by_size})
    return Speed(
        _machine(report["machine_info"]),
        [
            row
            for what, by_who in seconds.items()
            for row in _rows(what, units[what], by_who, targets[what])
        ],
        {what: {n: by_size.get(str(n)) for n in sizes} for what, by_size in growth.items()},
        report.get("left_out", []),
    )


def _machine(info: Mapping[str, Any]) -> dict[str, str]:
    brand = info["cpu"].get("brand_raw", info["machine"])
    cores = info["cpu"].get("count", os.cpu_count())
    return {
        "processor": f"{brand}, {cores} cores",
        "Python": info["python_version"],
        **{name: version(name) for name in PACKAGES},
    }


def _rows(
    what: str, unit: str, seconds: Mapping[str, float], at_most: float | None
) -> Iterator[Row]:
    """Row of each part of this library against each other method, or alone without one."""
    others = [name for name in seconds if name not in OURS]
    for who in (name for name in seconds if name in OURS):
        if not others:
            yield Row(what, who, unit, seconds[who], "")
        for other in others:
            ratio = seconds[who] / seconds[other]
            yield Row(what, who, unit, seconds[who], other, ratio, at_most)


def exponent(seconds: Mapping[int, float | None]) -> float:
    """Return the slope of log seconds over log size, of the larger sizes.

    They are those from the geometric mean of the least and the largest on: with small sizes the
    fixed cost of a call dominates. NaN with fewer than two of them.
    """
    measured = {n: s for n, s in seconds.items() if s is not None}
    start = math.sqrt(min(measured, default=1) * max(measured, default=1))
    large = {n: s for n, s in measured.items() if n >= start}
    if len(large) < 2:
        return math.nan
    return float(np.polyfit(np.log([*large]), np.log([*large.values()]), 1)[0])
