"""Shells complete the words of the command."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

COMMAND = Path(sysconfig.get_path("scripts")) / "sojourn"


def completed(*arguments, **environment):
    done = subprocess.run(
        [COMMAND, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sojourn ve", ["verify"]),
        ("sojourn run --weights", ["--weights-in"]),
        ("sojourn nothing", []),
    ],
)
def test_words_are_completed(words, expected):
    where = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    assert completed(_SOJOURN_COMPLETE="complete_bash", **where) == expected


def test_the_script_of_a_shell_names_the_command():
    # without this variable the option looks for the shell above it, and takes no name
    plain = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    assert "compdef" in " ".join(completed("--show-completion", "zsh", **plain))
