"""Running a program of ours in an environment of its own, where packages are that cannot be beside this library."""

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

from .answer import Skipped

SET_UP = 600.0  # seconds for the first download of an environment


def find_uv() -> str | None:
    """Return uv, which makes the environments: beside this Python, where the extra puts it, or on the path."""
    beside = Path(sysconfig.get_path("scripts")) / "uv"
    return str(beside) if beside.is_file() else shutil.which("uv")


def command(uv: str, requirement: str, python: str) -> list[str]:
    """Return the beginning of a command in a fresh environment with one package; uv keeps its files for the next time."""
    return [
        uv,
        "run",
        "--isolated",
        "--no-project",
        "--quiet",
        "--python",
        python,
        "--with",
        requirement,
        "python",
    ]


def set_up(start: list[str], module: str) -> None:
    """Make the environment and import the package once, so that neither is timed.

    Raises
    ------
    Skipped
        When it cannot be had.
    """
    run([*start, "-c", f"import {module}"], "", SET_UP)


def ask(
    start: list[str], program: Path, question: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """Give a program a question as JSON and return its answer.

    Raises
    ------
    Skipped
        When it fails, or is not done in time.
    """
    said = run([*start, str(program)], json.dumps(question), seconds)
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        raise Skipped(f"its answer is no JSON: {said[:80]!r}") from None
    return answer


def run(command: list[str], question: str, seconds: float) -> str:
    """Run a command and return what it prints; whatever ends this, its whole group of processes ends with it."""
    pipe = subprocess.PIPE
    try:
        # a session of its own: uv starts Python, and both have to go when the time is over
        process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )  # noqa: S603
    except OSError as error:
        raise Skipped(f"{command[0]} does not start: {error.strerror}") from error
    try:
        said, complaint = process.communicate(question, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Skipped(f"killed after {seconds:g} s") from None
    finally:
        _end(process)
    if process.returncode:
        last = (complaint.strip().splitlines() or ["it says nothing"])[-1]
        raise Skipped(f"exit code {process.returncode}: {last}")
    return said


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a process and its children, if any of them is still there."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
