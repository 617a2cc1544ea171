"""Settings under which the benchmark runs solvers, by name or by tolerance."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....reference.errors import InputError
from ....reference.validation import as_path, check_choice, check_within

TOLERANCES: Mapping[str, float] = {"low": 1e-3, "mid": 1e-6, "high": 1e-9}
"""Tolerances of the settings that are named for their accuracy."""
NAMES = ("default", "sojourn", *TOLERANCES)
"""Settings by name: as CVXPY calls the solver, whose own defaults can differ; the tight options of
this library; and an accuracy."""
LEAST, LARGEST = 1e-15, 0.1
"""Range of a tolerance."""


@dataclass(frozen=True)
class Settings:
    """Settings of all solvers.

    Attributes
    ----------
    name : str
        ``default``, ``sojourn``, ``low``, ``mid``, ``high``, ``tolerance``, or the name of a file.
    tolerance : float or None
        What each tolerance of a solver is set to; see
        `sojourn.models.core.solver_specs.SolverSpec.tolerances`.
    given : mapping or None
        The user's options by name of a solver.
    """

    name: str
    tolerance: float | None = None
    given: Mapping[str, Mapping[str, Any]] | None = field(default=None, hash=False)

    @property
    def label(self) -> str:
        """Name with the tolerance where the name does not say it."""
        return f"{self.name} {self.tolerance:g}" if self.name == "tolerance" else self.name


def as_settings(names: Sequence[object], tolerances: Sequence[object]) -> list[Settings]:
    """Return settings of names, of .toml files, and of tolerances; without any, the default ones.

    Parameters
    ----------
    names : sequence of str or path
        Names of `NAMES`, and files with a table of options for each solver.
    tolerances : sequence of float

    Raises
    ------
    InputError
        On an unknown name, a file that is no such table, and a tolerance out of range.
    """
    chosen = [_named(f"settings[{i}]", name) for i, name in enumerate(names)]
    chosen += [
        Settings("tolerance", check_within(f"tolerances[{i}]", value, LEAST, LARGEST, *WRONG))
        for i, value in enumerate(tolerances)
    ]
    labels = [one.label for one in chosen]
    if len(set(labels)) < len(labels):
        problem = "names the same settings twice"
        raise InputError("settings", ", ".join(labels), problem, "name each once")
    return chosen or [Settings("default")]


WRONG = ("is not a tolerance", f"give a number from {LEAST:g} to {LARGEST:g}")


def _named(where: str, name: object) -> Settings:
    if isinstance(name, Path) or (isinstance(name, str) and name.endswith(".toml")):
        return _of_file(where, as_path(where, name))
    known = check_choice(where, name, NAMES, "is neither a name of settings nor a .toml file")
    return Settings(known, TOLERANCES.get(known))


def _of_file(where: str, path: Path) -> Settings:
    if path.stem in (*NAMES, "tolerance"):
        problem = f"has the name of other settings, {path.stem}"
        raise InputError(where, str(path), problem, "give the file another name")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise InputError(where, str(path), problem, "give a TOML file") from error
    except ValueError as error:  # of TOML, or of UTF-8
        problem = f"is not TOML: {error}"
        raise InputError(where, str(path), problem, "correct that line") from error
    for solver, options in tables.items():
        if not isinstance(options, dict):
            problem = "is not a table of the options of a solver"
            remedy = "write a line such as [CLARABEL] above the options"
            raise InputError(f"{where}: {path.name}: {solver}", options, problem, remedy)
    if not tables:
        remedy = "write a line such as [CLARABEL] and options below it"
        raise InputError(where, str(path), "names no solver", remedy)
    return Settings(path.stem, given=tables)
