"""From a built-in name or a TOML file to a scenario; what the file describes says which kind."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...reference.errors import escaped
from ...reference.validation import as_path, check_flag
from ..core.plugins import OWN
from ..core.progress import reports_progress
from ..core.reading import read_text
from . import kinds
from .fields import Folder, ScenarioError, check_keys
from .listing import built_in
from .scenario import HEADER, Scenario, read

HERE = Path()
DEEPEST = 64  # tables and arrays in each other above which a file is refused
LONG_LINE = re.compile(rf"\n[^\n]{{{2 * DEEPEST}}}")
LONG_KEY = re.compile(rf"""(?:\.[ \t]*+(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+){{{DEEPEST}}}""")


def names() -> tuple[str, ...]:
    """Return the names of the built-in scenarios."""
    return tuple(sorted(built_in()))


@reports_progress
def load_scenario(scenario: str | Path, *, allow_outside: bool = False) -> Scenario[Any]:
    """Load a built-in scenario by name, or one from a TOML file.

    This file and those that it names are regular ones of at most 64 MiB, tables of at most a million
    lines, and tables and arrays of TOML at most 64 deep.

    Parameters
    ----------
    scenario : str or Path
        ``"scenario-1"``, ``"1"``, or the path of a file.
    allow_outside : bool, default False
        Whether the file may name files that are not in its folder, also by links out of it.

    Returns
    -------
    Scenario
        Of the kind whose table the file has, such as ``[[servers]]`` or ``[dual_mode]``.

    Raises
    ------
    ScenarioError
        When there is no such scenario, when the file is not TOML (with the line), on an unknown
        key or unit or a value that no system has, or on a file that is not read.

    Examples
    --------
    >>> load_scenario("scenario-1").system
    ParallelServers(3 servers, total rate 380)
    """
    allow_outside = check_flag("allow_outside", allow_outside)
    text = scenario if isinstance(scenario, str) else str(as_path("scenario", scenario))
    path = Path(text)
    texts = built_in()
    for full in (text, f"scenario-{text}"):
        if full in texts:
            return parse(texts[full], full)
    try:
        there = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        there = False
    if not there:
        near = difflib.get_close_matches(text, names(), 1)
        remedy = (
            f"did you mean {near[0]}?"
            if near
            else f"give a TOML file or one of {', '.join(names())}"
        )
        raise ScenarioError("scenario", text, "is neither a file nor a built-in scenario", remedy)
    said = read_text(path, "scenario", "give a text file in UTF-8", ScenarioError)
    return parse(said, path.stem, path.parent, allow_outside=allow_outside)


def parse(
    text: str,
    name: str,
    folder: Path = HERE,
    *,
    allow_outside: bool = False,
) -> Scenario[Any]:
    """Return the scenario that a TOML text says, with files in the folder. See `load_scenario`."""
    try:
        given = {} if (deep := _long_key(text)) else tomllib.loads(text)
        deep = deep or _deep(given)
    except RecursionError:
        deep = True
    except ValueError as error:  # TOMLDecodeError, and that of a number of thousands of digits
        raise ScenarioError(
            "file", name, f"is not valid TOML: {error}", "correct that line"
        ) from None
    if deep:
        problem = f"has more than {DEEPEST} tables and arrays in each other"
        raise ScenarioError("file", name, problem, "write the system with fewer")
    return read(_kind(given, name), given, escaped(name), Folder(folder, allow_outside))


def _long_key(text: str) -> bool:
    """Whether a key may have more than `DEEPEST` parts, of which tomllib takes the square in steps."""
    return bool(LONG_LINE.search(f"\n{text}") and LONG_KEY.search(text))


def _deep(given: Mapping[str, Any]) -> bool:
    """Whether there are more than `DEEPEST` tables and arrays in each other."""
    level: list[Any] = [given]
    for _ in range(DEEPEST):
        insides = (value.values() if type(value) is dict else value for value in level)
        level = [v for inside in insides for v in inside if type(v) is dict or type(v) is list]
    return bool(level)


def _kind(given: Mapping[str, Any], name: str) -> kinds.SystemKind:
    """Kind of the system that a file says; of one that says none, the first, whose reader says what is missing."""
    there = kinds.names()
    said = sorted(set(there) & set(given))
    if len(said) > 1:
        raise ScenarioError("file", name, f"says two systems, {said[0]} and {said[1]}", "keep one")
    kind = kinds.kind_named((*said, *there)[0])
    if not said:
        check_keys(given, (*HEADER, *there, *kind.tables), "", f"a kind of system {OWN}")
    return kind
