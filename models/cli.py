"""The `sojourn` command: run a scenario, list the built-in ones, check the models against the reference."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import xarray as xr

    from sojourn.models.scenarios import Scenario
    from sojourn.models.solving import Solution
    from sojourn.reference.errors import Array

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Split load over queues: optimum, equilibrium and price of anarchy, each with a certificate.",
    epilog="Exit codes: 0 done, 1 not certified or not verified, 2 bad input, 3 a file could not be written, 130 interrupted.",
)
out, err = Console(emoji=False), Console(stderr=True)

UNCERTIFIED, BAD_INPUT, NOT_WRITTEN, INTERRUPTED = 1, 2, 3, 130

ScenarioArgument = Annotated[str, typer.Argument(help="A built-in scenario (see `sojourn list`) or a TOML file.")]
LoadOption = Annotated[
    str | None,
    typer.Option("--load", help="Operating point: below 1 (or 90%) a part of the total rate, else jobs per second."),
]
SolverOption = Annotated[str | None, typer.Option("--solver", help="CLARABEL, ECOS, SCS, ...; by default a chain of them.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
OutOption = Annotated[Path | None, typer.Option("--out", help="Folder for curve.png, curve.nc, curve.csv and result.json.")]


@app.command()
def run(
    scenario: ScenarioArgument = "scenario-1",
    load: LoadOption = None,
    solver: SolverOption = None,
    folder: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Solve a scenario: the split and delays at a load, thresholds, price of anarchy; with --out also the curve."""
    from sojourn.models.scenarios import load_scenario

    chosen = load_scenario(scenario)
    point = _load(load, chosen)
    optimum, equilibrium = (getattr(chosen.system, goal)(point, solver=solver) for goal in ("optimum", "equilibrium"))
    variants = _variants(chosen, point, solver)
    result = _result(chosen, point, optimum, equilibrium, variants)
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
    else:
        _print_result(chosen, point, optimum, equilibrium, variants)
    if folder is not None:
        _write_all(folder, chosen, solver, result, quiet=as_json)


@app.command("list")
def list_scenarios(as_json: JsonOption = False) -> None:
    """List the built-in scenarios and where their numbers are from."""
    from sojourn.models.scenarios import load_scenario, names

    found = [load_scenario(name) for name in names()]
    if as_json:
        rows = [{"name": s.name, "title": s.title, "source": s.source, "variants": [v.name for v in s.variants]} for s in found]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    table = Table(show_lines=True)
    for heading in ("name", "what", "where its numbers are from", "variants"):
        table.add_column(heading, no_wrap=heading == "name")
    for s in found:
        table.add_row(*(escape(cell) for cell in (s.name, s.title, s.source, "\n".join(v.name for v in s.variants))))
    out.print(table)


@app.command()
def verify(
    scenario: ScenarioArgument = "scenario-1",
    load: LoadOption = None,
    solver: SolverOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the convex models with the closed forms, quantity by quantity; exit code 1 where they differ."""
    from sojourn.models.scenarios import load_scenario
    from sojourn.models.studies import verify as compare

    chosen = load_scenario(scenario)
    total = chosen.system.total_rate
    loads = [0.1 * total, 0.5 * total, 0.9 * total, 0.999 * total] if load is None else [_load(load, chosen)]
    found = compare(chosen.system, loads, solver=solver)
    if as_json:
        sys.stdout.write(
            json.dumps({"scenario": chosen.name, "passed": found.passed, "checks": [vars(c) for c in found.checks]}, indent=2) + "\n"
        )
    else:
        out.print(found.table(f"{escape(chosen.name)}: models against reference"))
        out.print("all agree" if found.passed else "[bold red]they differ")
    if not found.passed:
        raise typer.Exit(UNCERTIFIED)


@app.command()
def bench(as_json: JsonOption = False) -> None:
    """Time the closed forms against sorting and the models against the closed forms, as ratios of one run."""
    from sojourn.models.studies.speed import speed, table

    rows = speed()
    if as_json:
        sys.stdout.write(json.dumps([vars(r) for r in rows], indent=2) + "\n")
    else:
        out.print(table(rows))


def _load(text: str | None, scenario: Scenario) -> float:
    from sojourn.models.scenarios.loader import absolute
    from sojourn.reference.errors import LoadError

    if text is None:
        return scenario.load
    total = scenario.system.total_rate
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise LoadError("--load", text, "is not a number", f"give 0.9 or 90% of the total rate, or jobs per second below {total:g}") from None
    return scenario.system.check_load(value / 100 * total if text.endswith("%") else absolute(value, scenario.system))


def _variants(scenario: Scenario, point: float, solver: str | None) -> list[dict[str, Any]]:
    from sojourn.models.studies import misjudged

    rows = []
    for v in scenario.variants:
        data = misjudged(v.believed, v.paid, [point], solver=solver)
        delays = {goal: float(data[f"{goal}_delay"][0]) for goal in ("optimum", "equilibrium")}
        rows.append({"name": v.name, "title": v.title, **delays, "ratio": float(data["price_of_anarchy"][0])})
    return rows


def _result(scenario: Scenario, point: float, optimum: Solution, equilibrium: Solution, variants: list[dict[str, Any]]) -> dict[str, Any]:
    thresholds = scenario.system.thresholds()
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "source": scenario.source,
        "time_unit": scenario.system.time_unit,
        "total_rate": scenario.system.total_rate,
        "load": point,
        "price_of_anarchy": equilibrium.mean_delay / optimum.mean_delay,
        "thresholds": {"optimum": thresholds.optimum.tolist(), "equilibrium": thresholds.equilibrium.tolist()},
        "optimum": optimum.to_dict(),
        "equilibrium": equilibrium.to_dict(),
        "variants": variants,
    }


def _print_result(scenario: Scenario, point: float, optimum: Solution, equilibrium: Solution, variants: list[dict[str, Any]]) -> None:
    unit, factor = scenario.delay_unit, {"s": 1.0, "ms": 1e3}[scenario.delay_unit]
    total, thresholds = scenario.system.total_rate, scenario.system.thresholds()
    out.print(f"[bold]{escape(scenario.title)}[/]\n[dim]{escape(scenario.source)}[/]")
    out.print(f"load {point:.6g} jobs/s = {point / total:.4g} of the total rate {total:.6g}\n")
    table = Table(caption="starts at: the load, in jobs/s, from which a server is used")
    table.add_column("server", overflow="fold", min_width=6)  # in a narrow terminal names give way, never numbers
    for heading in ("share", f"latency\n({unit})", "starts\nat"):
        for goal in ("optimum", "equilib."):
            table.add_column(f"{goal}\n{heading}", justify="right", no_wrap=True)
    for i, name in enumerate(scenario.system.names):
        row = [f"{s.share[i]:.4f}" for s in (optimum, equilibrium)]
        row += [f"{s.latency[i] * factor:.6g}" for s in (optimum, equilibrium)]
        row += [f"{t[i]:.2f}" for t in (thresholds.optimum, thresholds.equilibrium)]
        table.add_row(escape(name), *row)
    table.add_section()
    delays = [f"{s.mean_delay * factor:.6g}" for s in (optimum, equilibrium)]
    table.add_row("[bold]mean delay", "", "", *(f"[bold]{d}" for d in delays), "", "")
    out.print(table)
    out.print(f"\nprice of anarchy  [bold]{equilibrium.mean_delay / optimum.mean_delay:.6f}")
    for s in (optimum, equilibrium):
        out.print(f"{s.goal:<11}  certified within {s.certificate.gap:.0e} ({s.solver.lower()}, {s.formulation}, {s.polished} Newton steps)")
    if variants:
        other = Table(title="variants")
        for heading in ("variant", f"optimum ({unit})", f"equilibrium ({unit})", "ratio"):
            other.add_column(heading, justify="left" if heading == "variant" else "right", no_wrap=heading != "variant")
        for v in variants:
            other.add_row(escape(v["title"]), f"{v['optimum'] * factor:.6g}", f"{v['equilibrium'] * factor:.6g}", f"{v['ratio']:.6f}")
        out.print(other)


def _write_all(folder: Path, scenario: Scenario, solver: str | None, result: dict[str, Any], *, quiet: bool) -> None:
    """Write what there is as soon as it is there; a file that cannot be written does not stop the others."""
    from sojourn.models.plots import plot_curve
    from sojourn.models.studies import CurveInterruptedError, misjudged

    failed = [_write(folder / "result.json", lambda p: p.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8"))]
    interrupted = False
    others: dict[str, xr.Dataset] = {}
    try:
        data = scenario.system.curve(_with_kinks(scenario), solver=solver)
        others = {v.name: misjudged(v.believed, v.paid, scenario.loads, solver=solver) for v in scenario.variants}
    except CurveInterruptedError as stop:
        data, interrupted = (data if "data" in locals() else stop.dataset), True
    for name, curve in {"curve": data, **others}.items():
        failed.append(_write(folder / f"{name}.nc", lambda p, c=curve: c.to_netcdf(p, engine="scipy")))  # type: ignore[misc]
        failed.append(_write(folder / f"{name}.csv", lambda p, c=curve: _flat(c).to_csv(p, index=False)))  # type: ignore[misc]
    if data.sizes["load"]:
        failed.append(_write(folder / "curve.png", lambda p: plot_curve(data, scenario.title, others).savefig(p, dpi=150)))
    if not quiet:
        out.print(Text(f"\nwritten to {folder}: " + ", ".join(sorted(p.name for p in folder.glob("*.*"))) if folder.is_dir() else ""))
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if any(failed):
        raise typer.Exit(NOT_WRITTEN)


def _with_kinks(scenario: Scenario) -> Array:
    """Loads of the scenario and, between them, those where a server starts: a picture must not cut its corners."""
    thresholds = scenario.system.thresholds()
    starts = np.concatenate([thresholds.optimum, thresholds.equilibrium])
    inside = starts[(starts > scenario.loads.min()) & (starts < scenario.loads.max())]
    return np.unique(np.concatenate([scenario.loads, inside]))


def _write(path: Path, write: Callable[[Path], object]) -> bool:
    """Write a file whole or not at all; return whether that failed."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True) if path.parent.is_dir() else None
        _complain(f"cannot write {path}:", f"{error.strerror or error}; choose another folder with --out")
        return True
    return False


def _flat(data: xr.Dataset) -> Any:
    """One row a load: flows become one column a server."""
    frame = data.drop_dims("server").to_dataframe().reset_index()
    for goal in ("optimum", "equilibrium"):
        for server in data["server"].values:
            frame[f"{goal}_flow[{server}]"] = data[f"{goal}_flow"].sel(server=server).values
    return frame


def _complain(what: str, why: str) -> None:
    """Print one line on standard error, as it is: brackets are not markup, and a narrow terminal does not cut it."""
    err.print(Text.assemble((what, "bold red"), " ", why), soft_wrap=True)


def main() -> None:
    """Run the command; errors are one line on standard error and an exit code."""
    from sojourn.reference.errors import InputError

    try:
        app()
    except InputError as error:
        _complain("error:", str(error))
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(INTERRUPTED)
    except RuntimeError as error:
        from sojourn.models.solving import NotCertifiedError

        if not isinstance(error, NotCertifiedError):
            raise
        _complain("error:", str(error))
        sys.exit(UNCERTIFIED)
