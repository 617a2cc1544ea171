"""From a built-in name or a TOML file to a scenario; what the file describes says which kind."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.progress import said_to_work
from . import kinds
from .fields import ScenarioError, known
from .listing import built_in
from .scenario import HEADER, Scenario, read

HERE = Path()


def names() -> tuple[str, ...]:
    """Return the names of the built-in scenarios."""
    return tuple(sorted(built_in()))


@said_to_work
def load_scenario(scenario: str | Path) -> Scenario[Any]:
    """Load a built-in scenario by name, or one from a TOML file.

    Parameters
    ----------
    scenario : str or Path
        ``"scenario-1"``, ``"1"``, or the path of a file.

    Returns
    -------
    Scenario
        Of the kind whose table the file has, such as ``[[servers]]`` or ``[dual_mode]``.

    Raises
    ------
    ScenarioError
        When there is no such scenario, when the file is not TOML (with the line), or on an unknown key or unit or a value that no system has.

    Examples
    --------
    >>> load_scenario("scenario-1").system
    ParallelServers(3 servers, total rate 380)
    """
    text, name = str(scenario), Path(scenario).stem
    texts = built_in()
    for full in (text, f"scenario-{text}"):
        if full in texts:
            return parse(texts[full], full)
    path = Path(scenario)
    try:
        there = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        there = False
    if not there:
        near = difflib.get_close_matches(text, names(), 1)
        remedy = f"did you mean {near[0]}?" if near else f"give a TOML file or one of {', '.join(names())}"
        raise ScenarioError("scenario", text, "is neither a file nor a built-in scenario", remedy)
    try:
        return parse(path.read_text(encoding="utf-8"), name, path.parent)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError("scenario", text, f"cannot be read ({error})", "give a text file in UTF-8") from None


def parse(text: str, name: str, folder: Path = HERE) -> Scenario[Any]:
    """Return the scenario that a TOML text says; files that it names are relative to the folder. See `load_scenario`."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError("file", name, f"is not valid TOML: {error}", "correct that line") from None
    return read(_kind(given, name), given, name, folder)


def _kind(given: Mapping[str, Any], name: str) -> kinds.SystemKind:
    """Kind of the system that a file says; of one that says none, the first, whose reader says what is missing."""
    there = kinds.names()
    said = sorted(set(there) & set(given))
    if len(said) > 1:
        raise ScenarioError("file", name, f"says two systems, {said[0]} and {said[1]}", "keep one")
    kind = kinds.kind_named((*said, *there)[0])
    if not said:
        known(given, (*HEADER, *there, *kind.tables), "")
    return kind
