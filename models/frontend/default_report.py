"""The report of ``sojourn run`` for kinds without a report of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.text import Text

from ...reference.errors import InputError
from ..core.variables import DRAWN, by_role
from .report import File, Report, curve_files, picture
from .scenario import Scenario

if TYPE_CHECKING:
    import xarray as xr


def default_report(
    scenario: Scenario[Any], load: float, solver: str | None, weights: str | None
) -> Report:
    """Solve the questions of a kind at a load; the parameters are those of `SystemKind.report`."""
    system, units = scenario.system, scenario.units
    if weights is not None:
        problem = f"is a split over servers, which {type(system).__name__} has no report of"
        raise InputError("--weights-in", weights, problem, "leave it out")
    raw = {name: getattr(system, name)(load, solver=solver) for name in scenario.kind.questions}
    answers = {name: units.result(a) if is_dataclass(a) else a for name, a in raw.items()}
    result = {
        **scenario.to_dict(),
        "max_load": system.max_load,
        "load": load,
        **answers,
        "notes": list(scenario.notes),
    }
    return Report(result, _shown(scenario, load, answers), _files(scenario, solver))


def _shown(scenario: Scenario[Any], load: float, answers: dict[str, Any]) -> Iterator[str | Text]:
    """Yield the lines of the report."""
    yield scenario.heading
    yield scenario.where(load)
    for name, answer in answers.items():
        is_ratio = isinstance(answer, float)
        unit = "" if is_ratio else f", delays in {scenario.delay_unit}"
        yield f"\n[bold]{name.replace('_', ' ')}[/]{unit}"
        yield Text(f"{answer:.9g}" if is_ratio else repr(answer))
    yield from scenario.remarks


def _files(scenario: Scenario[Any], solver: str | None) -> Iterator[list[File]]:
    """Yield the files of the refined curve, and of its picture."""
    from .dataset_plot import plot_dataset

    def pictures(data: xr.Dataset) -> list[File]:
        drawn = by_role(data, *DRAWN)
        return [picture("curve", partial(plot_dataset, data, scenario.title))] if drawn else []

    yield from curve_files(scenario, solver, pictures)
