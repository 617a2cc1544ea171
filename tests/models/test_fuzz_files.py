"""The command on damaged files: a result, or one line that says what is wrong, and never anything else."""

import contextlib
import io
import json
import re
import sys
import warnings

import hypothesis
import pytest
from hypothesis import strategies as st
from strategies_files import SAMPLES, TABLE, damaged, files, texts, written

from sojourn.models import cli

COMMANDS = (
    ("run", "--json"), ("run", "--json"), ("run",), ("run", "--load", "30%"), ("verify", "--json"), ("verify", "--load", "1"), ("anarchy", "--json"),
)  # fmt: skip
WRONG = re.compile(r"error: .+ = .+: .+; .+\n|error: no certified .+\n", re.DOTALL)


def run(*arguments):
    """Exit code, output and errors of the command, in this process."""
    out, err, given = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["sojourn", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cli.main()
    except SystemExit as ended:
        return ended.code or 0, out.getvalue(), err.getvalue()
    finally:
        sys.argv = given
    raise AssertionError("the command did not end")


def check(folder, command, scenario, samples, table):
    for name, content in (("a.toml", scenario), ("db.csv", samples), ("servers.csv", table)):
        (folder / name).write_bytes(content)
    code, out, err = run(command[0], folder / "a.toml", *command[1:])
    assert code in (0, 1, 2)
    if err or code == 2:
        assert code
        assert out == ""
        assert err.count("\n") == 1
        assert len(err) < 4000
        assert WRONG.fullmatch(err)
    elif "--json" in command:
        json.loads(out, parse_constant=pytest.fail)
    assert (out + err).replace("\n", "").isprintable() or not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", out + err)


good = st.one_of(damaged(), damaged(), damaged(), files()).map(written)
csv = {"samples": texts(st.just(SAMPLES)), "table": texts(st.just(TABLE))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@hypothesis.settings(max_examples=250, derandomize=True, deadline=None, database=None)
@hypothesis.given(command=st.sampled_from(COMMANDS), scenario=texts(good), **csv)
def test_damaged_files(folder, command, scenario, samples, table):
    check(folder, command, scenario, samples, table)
