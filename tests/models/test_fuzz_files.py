"""Damaged files: the command prints a result, or an error of one line, and nothing else."""

import contextlib
import io
import json
import re
import sys
import warnings

import hypothesis
import pytest
from hypothesis import strategies as st
from strategies_files import MODES, SAMPLES, TABLE, damaged, files, texts, written

from sojourn.models import cli

COMMANDS = (
    ("run", "--json"), ("run", "--json"), ("run",), ("run", "--load", "30%"),
    ("verify", "--json"), ("verify", "--load", "1"), ("anarchy", "--json"),
)  # fmt: skip
FAST = 4  # first families of `SERVERS` that anarchy searches quickly
WRONG = re.compile(r"error: (.+ = .+: .+; .+|no certified .+)")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def run(*arguments):
    """Return exit code, output and errors of the command, run in this process."""
    out, err, given = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["sojourn", *map(str, arguments)]
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            cli.main()
    except SystemExit as ended:
        return ended.code or 0, out.getvalue(), err.getvalue()
    finally:
        sys.argv = given
    raise AssertionError("the command did not end")


def check(folder, command, scenario, samples, table, modes):
    """Run a command on files of these bytes; an error must be one line that names the file."""
    bytes_of = {"a.toml": scenario, "db.csv": samples, "servers.csv": table, "modes.csv": modes}
    for name, content in bytes_of.items():
        (folder / name).write_bytes(content)
    code, out, err = run(command[0], folder / "a.toml", *command[1:])
    said = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code in (0, 1, 2)
    assert "Traceback" not in err
    if said or code == 2:
        assert code
        assert len(said) == 1
        assert len(said[0]) < 4000
        assert WRONG.fullmatch(said[0])
        assert "{" not in out  # no half of a result
    elif "--json" in command:
        json.loads(out, parse_constant=pytest.fail)
    assert not CONTROL.search(out + err)


@st.composite
def asked(draw):
    """Draw a command and a scenario file for it; for a search, of families that are fast."""
    command = draw(st.sampled_from(COMMANDS))
    good = files(FAST) if command[0] == "anarchy" else files()
    damage = st.one_of(damaged(good), damaged(good), damaged(good, ["scale"]), good)
    return command, draw(texts(damage.map(written)))


def fuzz(folder, examples, **options):
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        **options,
    )
    @hypothesis.given(asked(), *(texts(st.just(csv)) for csv in (SAMPLES, TABLE, MODES)))
    def of_files(command_and_scenario, samples, table, modes):
        check(folder, *command_and_scenario, samples, table, modes)

    of_files()


def test_damaged_files(tmp_path):
    fuzz(tmp_path, 150, derandomize=True)


@pytest.mark.exhaustive
def test_many_damaged_files(tmp_path):
    fuzz(tmp_path, 3000)
