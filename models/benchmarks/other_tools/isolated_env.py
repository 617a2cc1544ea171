"""Programs in an environment of their own, for packages that conflict with this library's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sysconfig
from contextlib import suppress
from pathlib import Path
from typing import Any

from .answer import Unavailable

SET_UP_LIMIT = 600.0  # seconds to download and make an environment


def find_uv() -> str | None:
    """Return the path of uv, beside this Python (where the extra installs it) or on the path."""
    beside = Path(sysconfig.get_path("scripts")) / "uv"
    return str(beside) if beside.is_file() else shutil.which("uv")


def python_command(uv: str, requirement: str, python: str) -> list[str]:
    """Return the start of a command that runs Python in a fresh environment with one package.

    uv caches the downloaded packages.
    """
    options = ["--isolated", "--no-project", "--quiet", "--python", python, "--with", requirement]
    return [uv, "run", *options, "python"]


def set_up(start: list[str], module: str) -> None:
    """Make the environment and import the package once, so that neither is timed.

    Raises
    ------
    Unavailable
        When the environment cannot be made.
    """
    run([*start, "-c", f"import {module}"], "", SET_UP_LIMIT)


def call(start: list[str], program: Path, data: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Run a program with data as JSON on its standard input, and return the JSON that it prints.

    Raises
    ------
    Unavailable
        When the program fails or exceeds its time limit.
    """
    output = run([*start, str(program)], json.dumps(data), seconds)
    try:
        result: dict[str, Any] = json.loads(output)
    except ValueError:
        raise Unavailable(f"its answer is no JSON: {output[:80]!r}") from None
    return result


def run(command: list[str], text: str, seconds: float) -> str:
    """Run a command with a text on its standard input, and return its standard output.

    The whole group of its processes ends with it, also when this function is interrupted.

    Raises
    ------
    Unavailable
        When the command does not start, fails or exceeds its time limit.
    """
    try:
        # its own session: uv starts Python, and both must be killed at the time limit
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"{command[0]} does not start: {error.strerror}") from error
    try:
        output, errors = process.communicate(text, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"killed after {seconds:g} s") from None
    finally:
        _kill(process)
    if process.returncode:
        last_line = (errors.strip().splitlines() or ["no message"])[-1]
        raise Unavailable(f"exit code {process.returncode}: {last_line}")
    return output


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and its children, as far as they still run."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
