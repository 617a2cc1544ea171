"""From a built-in name or a TOML file to a scenario; what the file describes says which kind."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path

from ..systems.parallel import scenario as parallel
from ..systems.parallel.scenario import Scenario
from ..systems.service_modes import scenario as dual_mode
from ..systems.service_modes.scenario import DualModeScenario
from .fields import ScenarioError
from .listing import built_in

HERE = Path()


def names() -> tuple[str, ...]:
    """Return the names of the built-in scenarios."""
    return tuple(sorted(built_in()))


def load_scenario(scenario: str | Path) -> Scenario | DualModeScenario:
    """Load a built-in scenario by name, or one from a TOML file.

    Parameters
    ----------
    scenario : str or Path
        ``"scenario-1"``, ``"1"``, or the path of a file.

    Returns
    -------
    Scenario or DualModeScenario
        The second where the file has a table ``[dual_mode]``.

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
    for known in (text, f"scenario-{text}"):
        if known in texts:
            return parse(texts[known], known)
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


def parse(text: str, name: str, folder: Path = HERE) -> Scenario | DualModeScenario:
    """Return the scenario that a TOML text says; files that it names are relative to the folder. See `load_scenario`."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError("file", name, f"is not valid TOML: {error}", "correct that line") from None
    if "dual_mode" in table and "servers" in table:
        raise ScenarioError("file", name, "says two systems, dual_mode and servers", "keep one")
    return dual_mode.read(table, name) if "dual_mode" in table else parallel.read(table, name, folder)
