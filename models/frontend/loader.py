"""Loading of scenarios, by the name of a built-in one or from a TOML file of any kind."""

from __future__ import annotations

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
from ..core.suggest import suggest
from . import kinds
from .fields import Folder, ScenarioError, check_keys
from .listing import built_in
from .scenario import HEADER, Scenario, read

CURRENT_FOLDER = Path()
MAX_DEPTH = 64  # largest depth of nested tables and arrays in a file
LONG_LINE = re.compile(rf"\n[^\n]{{{2 * MAX_DEPTH}}}")
LONG_KEY = re.compile(rf"""(?:\.[ \t]*+(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+){{{MAX_DEPTH}}}""")


def names() -> tuple[str, ...]:
    """Return the names of the built-in scenarios."""
    return tuple(sorted(built_in()))


@reports_progress
def load_scenario(scenario: str | Path, *, allow_outside: bool = False) -> Scenario[Any]:
    """Load a built-in scenario by name, or one from a TOML file.

    The file, and every file that it names, must be a regular file of at most 64 MiB. CSV files have
    at most a million lines, and tables and arrays of TOML are nested at most 64 deep.

    Parameters
    ----------
    scenario : str or Path
        ``"scenario-1"``, ``"1"``, or the path of a file.
    allow_outside : bool, default False
        Whether the file may name further files outside its folder, directly or by links.

    Returns
    -------
    Scenario
        The scenario. The table of the system in the file, such as ``[[servers]]`` or
        ``[dual_mode]``, determines the kind of system.

    Raises
    ------
    ScenarioError
        Where there is no such scenario, the file cannot be read or is not TOML (with the line), a
        key or unit is unknown, or a value is wrong (with its place in the file).

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
        is_file = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        is_file = False
    if not is_file:
        remedy = suggest(text, names(), f"give a TOML file or one of {', '.join(names())}")
        raise ScenarioError("scenario", text, "is neither a file nor a built-in scenario", remedy)
    content = read_text(path, "scenario", "give a text file in UTF-8", ScenarioError)
    return parse(content, path.stem, path.parent, allow_outside=allow_outside)


def parse(
    text: str,
    name: str,
    folder: Path = CURRENT_FOLDER,
    *,
    allow_outside: bool = False,
) -> Scenario[Any]:
    """Return the scenario of a TOML text; see `load_scenario`.

    Parameters
    ----------
    text : str
        The TOML text.
    name : str
        Name of the scenario, also in messages.
    folder : Path
        Folder of further files.
    allow_outside : bool, default False
        Whether the text may name files outside the folder.
    """
    try:
        given = {} if (deep := _long_key(text)) else tomllib.loads(text)
        deep = deep or _deep(given)
    except RecursionError:
        deep = True
    except ValueError as error:  # TOMLDecodeError, or the error for a number of too many digits
        problem = f"is not valid TOML: {error}"
        raise ScenarioError("file", name, problem, "correct that line") from None
    if deep:
        problem = f"has more than {MAX_DEPTH} tables and arrays in each other"
        raise ScenarioError("file", name, problem, "write the system with fewer")
    return read(_kind(given, name), given, escaped(name), Folder(folder, allow_outside))


def _long_key(text: str) -> bool:
    """Return whether a dotted key has more than `MAX_DEPTH` parts; tomllib is slow on such keys."""
    return bool(LONG_LINE.search(f"\n{text}") and LONG_KEY.search(text))


def _deep(given: Mapping[str, Any]) -> bool:
    """Return whether tables and arrays are nested deeper than `MAX_DEPTH`."""
    level: list[Any] = [given]
    for _ in range(MAX_DEPTH):
        contents = (value.values() if type(value) is dict else value for value in level)
        level = [v for content in contents for v in content if type(v) in (dict, list)]
    return bool(level)


def _kind(given: Mapping[str, Any], name: str) -> kinds.SystemKind:
    """Return the kind whose table a file has.

    Without any such table it is the first kind: its reader raises the error about the missing one.
    """
    known = kinds.tables()
    present = sorted(set(known) & set(given))
    if len(present) > 1:
        problem = f"says two systems, {present[0]} and {present[1]}"
        raise ScenarioError("file", name, problem, "keep one")
    kind = kinds.kind_named((*present, *known)[0])
    if not present:
        _check_table(given)
        check_keys(given, (*HEADER, *known, *kind.tables), "", f"a kind of system {OWN}")
    return kind


def _check_table(given: Mapping[str, Any]) -> None:
    """Raise ScenarioError on a further table of some kind, whose own table the file has not."""
    of = [kind for kind in kinds.kinds() if kind.read is not None]
    for key in given:
        owners = [kind.name for kind in of if key in kind.tables]
        if owners and key not in of[0].tables:
            problem = f"is missing, and {key} needs it"
            raise ScenarioError(owners[0], None, problem, f"write {' or '.join(owners)} too")
