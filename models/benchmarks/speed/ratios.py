"""How long things take, as ratios of one run: the ``bench_*.py`` beside this file run by pytest-benchmark, read back as a table."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....reference.errors import InputError
from ...core.progress import StatusLine
from ...frontend.report import File, Report, picture
from ...frontend.tables import table
from ..report import Asked
from .growth_plot import plot_growth

if TYPE_CHECKING:
    from rich.table import Table

GROWTH = "growth of "
FIT_FROM = 1000  # servers from which the exponent is fitted: below, what a call costs at all is what is seen
PACKAGES = ("cvxpy", "clarabel", "numpy", "scipy")
HEADINGS = ("what", "who", "time", "ratio", "to")
OURS = ("curve", "sweep", "certificates", "optimum", "equilibrium", "certified to 1e-8", "model")


@dataclass(frozen=True)
class Row:
    """One measurement: seconds a unit of work of a thing, the least of its rounds, and how many times what it is held against it takes."""

    what: str
    who: str
    unit: str
    seconds: float
    against: str
    ratio: float

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """The row as text: what, who, time, ratio, to."""
        size, name = next(
            (u for u in ((1.0, "s"), (1e-3, "ms")) if self.seconds >= u[0]), (1e-6, "us")
        )
        unit = f" a {self.unit}" if self.unit else ""
        return (
            self.what,
            self.who,
            f"{self.seconds / size:.3g} {name}{unit}",
            f"{self.ratio:.3g}",
            self.against,
        )


@dataclass(frozen=True)
class Speed:
    """The ratios of one run, how cost grows, and where that was measured.

    Attributes
    ----------
    machine : dict of str
        Processor, Python and versions.
    rows : list of Row
    growth : mapping
        Seconds by what is measured and numbers of servers, None where not measured.
    """

    machine: dict[str, str]
    rows: list[Row]
    growth: Mapping[str, Mapping[int, float | None]]

    @property
    def title(self) -> str:
        """Where and with what it was measured."""
        return "; ".join(
            f"{name} {value}" if name != "processor" else value
            for name, value in self.machine.items()
        )

    @property
    def exponents(self) -> dict[str, float]:
        """Slopes of log seconds against log servers from 1,000 servers on; NaN with too few sizes."""
        return {what: exponent(seconds) for what, seconds in self.growth.items()}

    def table(self) -> Table:
        """Return the rows as a table for `rich`."""
        grown = [
            (f"growth, {FIT_FROM:,} servers on", what, f"n^{e:.2f}")
            for what, e in self.exponents.items()
        ]
        title = f"least times of one run on {self.title}"
        return table(
            HEADINGS,
            [*(r.cells for r in self.rows), *grown],
            text=("what", "who", "to"),
            title=title,
        )

    def markdown(self) -> str:
        """Return the rows as a Markdown table with the machine above it."""
        head, *rows = (
            "| " + " | ".join(cells) + " |" for cells in (HEADINGS, *(r.cells for r in self.rows))
        )
        grown = ", ".join(f"{what} n^{e:.2f}" for what, e in self.exponents.items())
        lines = [
            f"Least times of one run of `sojourn bench speed` on {self.title}.",
            "",
            head,
            "|---|---|---:|---:|---|",
            *rows,
        ]
        return (
            "\n".join([*lines, "", f"Growth with n servers from {FIT_FROM:,} on: {grown}."]) + "\n"
        )


def report(asked: Asked) -> Iterator[Report]:
    """Measure; the table of ratios as Markdown and JSON, and a picture of growth."""
    measured, folder = speed(), asked.out or Path("speed")
    files: list[File] = [
        (
            f"{folder / 'speed.md'}",
            lambda path: path.write_text(measured.markdown(), encoding="utf-8"),
        ),
        picture(f"{folder / 'growth'}", lambda: plot_growth(measured.growth, measured.exponents)),
    ]
    yield Report(measured, [measured.table()], [files], name=f"{folder / 'speed'}")


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
    return read(timings(Path(__file__).parent, small=small))


def timings(folder: Path, *, small: bool = False) -> dict[str, Any]:
    """Return the report of pytest-benchmark on the files of a folder, run away from any settings of the user's."""
    from .plugin import SMALL

    settings = [
        "python_files=bench_*.py",
        "python_functions=bench_*",
        "addopts=",
        "filterwarnings=",
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        str(folder),
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
        "--import-mode=importlib",
        "-v",
    ]
    command += [
        "-p",
        "no:cacheprovider",
        "-p",
        f"{__package__}.plugin",
        *(part for s in settings for part in ("-o", s)),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | (
        {SMALL: "yes"} if small else {}
    )
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    printed: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        found = Path(place) / "report.json"
        with (
            StatusLine("timings") as tick,
            subprocess.Popen(
                [*command, f"--benchmark-json={found}"], env=environment, **pipes
            ) as job,
        ):  # noqa: S603
            try:
                for line in job.stdout or ():
                    printed.append(line)
                    if "::" in line:
                        tick.step(line.split("::", 1)[1].strip())
            except KeyboardInterrupt:  # of this process alone, where it was no Ctrl-C
                job.kill()
                raise
        if job.returncode:
            raise RuntimeError("the benchmarks failed:\n" + "".join(printed[-40:]))
        measured: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return measured


def read(found: Mapping[str, Any]) -> Speed:
    """Return the ratios in a report of pytest-benchmark: of the least times, which a busy machine disturbs least."""
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    units: dict[str, str] = {}
    for one in found["benchmarks"]:
        extra = one["extra_info"]
        groups[extra["row"]][extra["who"]] = one["stats"]["min"] / extra["per"]
        units[extra["row"]] = extra["unit"]
    grown = {
        what.removeprefix(GROWTH): groups.pop(what)
        for what in list(groups)
        if what.startswith(GROWTH)
    }
    servers = sorted({int(n) for seconds in grown.values() for n in seconds})
    info = found["machine_info"]
    machine = {
        "processor": f"{info['cpu'].get('brand_raw', info['machine'])}, {info['cpu'].get('count', os.cpu_count())} cores"
    }
    return Speed(
        machine | {"Python": info["python_version"]} | {p: version(p) for p in PACKAGES},
        [row for what, seconds in groups.items() for row in _rows(what, units[what], seconds)],
        {what: {n: seconds.get(str(n)) for n in servers} for what, seconds in grown.items()},
    )


def _rows(what: str, unit: str, seconds: Mapping[str, float]) -> Iterator[Row]:
    """Each thing of ours against each of the others."""
    for who in (w for w in seconds if w in OURS):
        for other in (w for w in seconds if w not in OURS):
            yield Row(what, who, unit, seconds[who], other, seconds[who] / seconds[other])


def exponent(seconds: Mapping[int, float | None]) -> float:
    """Slope of log seconds against log servers; NaN with too few sizes."""
    large = {n: s for n, s in seconds.items() if n >= FIT_FROM and s is not None}
    return (
        float(np.polyfit(np.log([*large]), np.log([*large.values()]), 1)[0])
        if len(large) > 1
        else float("nan")
    )
