"""A solver of the user as a command: ``--solver "my-solver {instance} {solution}"``.

The command is run for each instance, without a shell. Its placeholders are

``{instance}``
    Path of the instance as a NumPy archive; see
    `sojourn.models.benchmarks.solvers.programs.npz`.
``{cbf}``
    Path of the instance as a file of the conic benchmark library (CBLIB); an instance that the
    format cannot hold is skipped.
``{solution}``
    Path of the NumPy archive that the command writes: ``x``, and where it has them ``y``,
    ``status`` (a word of CVXPY, by default ``optimal``), ``iterations``, and ``solve_seconds``.
``{settings}``, ``{tolerance}``, ``{time_limit}``
    Name of the settings, tolerance (``none`` where they ask for none), and seconds after which the
    command is ended.
``{options}``
    Options that a file of settings has for the solver, as JSON.

Its time is that of the process, with its start and the reading of the file, unless it states
``solve_seconds``: that is then its own word. Before its first cell the command is run on small
instances of the names ``trial`` and ``warm-up``, which do not count. An exit code other than 0 is a
failure. A first word ``NAME=`` names the solver.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from .....reference.errors import InputError
from ..programs import cbf, npz
from ..programs.cone_program import ConeProgram
from ..settings import Settings
from .python_solver import FIELDS, as_answer
from .solver import Answer, digest_of, failed, options_of_user, refusal_of_user

PLACES = ("instance", "cbf", "solution", "settings", "tolerance", "time_limit", "options")
"""Placeholders of a command."""
PLACE = re.compile(r"\{(\w*)\}")
GENERAL = ("settings", "tolerance", "time_limit")
LAST_LINE = 200  # largest number of characters of a message on standard error


@dataclass(frozen=True)
class CommandSolver:
    """A solver as a command on files.

    Attributes
    ----------
    name : str
    words : tuple of str
        The command and its arguments, with placeholders.
    """

    name: str
    words: tuple[str, ...]

    @cached_property
    def version(self) -> str:
        """Digest of the files among the words: of the program or script."""
        return digest_of(shutil.which(word) or word for word in self.words)

    def refusal(self, program: ConeProgram) -> str:
        """Return why the file that the command reads cannot hold the program; empty if it can."""
        return cbf.refusal(program) if any("{cbf}" in word for word in self.words) else ""

    def settings_refusal(self, settings: Settings) -> str:
        """Return why the solver is not run under some settings; empty where it is."""
        if refused := refusal_of_user(self.name, settings):
            return refused
        told = any(place in word for word in self.words for place in ("{tolerance}", "{settings}"))
        asked = settings.tolerance is not None
        return "the command has no {tolerance} or {settings}" if asked and not told else ""

    def options(self, settings: Settings, seconds: float) -> dict[str, Any]:
        """Return the options of settings."""
        return options_of_user(self.name, settings, seconds)

    def solve(self, program: ConeProgram, options: Mapping[str, Any]) -> Answer:
        """Run the command; a failure becomes the status."""
        written = time.perf_counter()
        try:
            folder = _written(program, *(f"{{{kind}}}" in str(self.words) for kind in FILES))
            values = {name: str(folder / file) for name, file in FILES.items()}
            solution = folder / "solution.npz"
            solution.unlink(missing_ok=True)
            own = {name: value for name, value in options.items() if name not in GENERAL}
            values |= {"solution": str(solution), "options": json.dumps(own)}
            for name in GENERAL:
                values[name] = "none" if options.get(name) is None else str(options[name])
            words = [PLACE.sub(lambda m: values[m[1]], word) for word in self.words]
            started = time.perf_counter()
            done = subprocess.run(  # noqa: S603  # the user's own command, without a shell
                words, stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
            seconds = time.perf_counter() - started
            if done.returncode:
                return Answer(_reason(done), solve_seconds=seconds)
            return as_answer(_read(solution), seconds)
        except Exception as error:  # a solution that cannot be read
            return failed(error, time.perf_counter() - written)


FILES = {"instance": "instance.npz", "cbf": "instance.cbf"}


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder of this process for the files of the present instance.

    It lies in the folder of the pool, which is removed also where this process is ended.
    """
    return tempfile.TemporaryDirectory(prefix="sojourn-", ignore_cleanup_errors=True)


@lru_cache(maxsize=1)
def _written(program: ConeProgram, as_npz: bool, as_cbf: bool) -> Path:
    """Write the files of a program, once for all runs of it, and return their folder."""
    folder = Path(_folder().name)
    if as_npz:
        npz.save(program, folder / FILES["instance"])
    if as_cbf:
        cbf.save(program, folder / FILES["cbf"])
    return folder


def _read(path: Path) -> dict[str, Any]:
    """Return the entries of a solution file.

    Raises
    ------
    InputError
        Where it cannot be read.
    """
    arrays = npz.arrays_of("solution", path)
    single = {name: value.item() for name, value in arrays.items() if value.ndim == 0}
    known = {name: value for name, value in {**arrays, **single}.items() if name in FIELDS}
    return {"status": "optimal", **known}


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    said = f": {lines[-1][:LAST_LINE]}" if lines else ""
    how = f"exit code {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
    return f"error: {how}{said}"


def command_solver(field: str, name: str, text: str) -> CommandSolver:
    """Return the solver of a command.

    Raises
    ------
    InputError
        Where the command is not found, or has an unknown placeholder or none for its files.
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(field, text, f"is no command: {error}", "close the quotes") from None
    places = {place for word in words for place in PLACE.findall(word)}
    if unknown := sorted(places - set(PLACES)):
        remedy = f"use {', '.join(f'{{{place}}}' for place in PLACES)}"
        raise InputError(field, text, f"has an unknown placeholder {{{unknown[0]}}}", remedy)
    if not places & {"instance", "cbf"} or "solution" not in places:
        problem = "does not say where the command reads its instance and writes its solution"
        remedy = 'write it as "my-solver {instance} {solution}"'
        raise InputError(field, text, problem, remedy)
    if shutil.which(words[0]) is None:
        remedy = "install it, or give its path"
        raise InputError(field, text, f"there is no command {words[0]!r}", remedy)
    for word in words[1:]:
        if word.endswith((".py", ".jl", ".sh", ".R", ".m")) and not Path(word).is_file():
            raise InputError(field, text, f"there is no file {word!r}", "give its path")
    return CommandSolver(name or Path(words[0]).name, words)
