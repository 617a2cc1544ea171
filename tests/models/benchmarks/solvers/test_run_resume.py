"""Runs that were interrupted go on, and what has changed runs again."""

import json
import shutil
from pathlib import Path

import pytest

from sojourn.models import InputError
from sojourn.models.benchmarks.solvers.compare import compare
from sojourn.models.benchmarks.solvers.row import Row
from sojourn.models.benchmarks.solvers.run.store import Store, plain_row, read_rows, row_of

LOADS = [0.3, 0.6, 0.9]


@pytest.fixture
def mine(tmp_path):
    return Path(shutil.copy(Path(__file__).with_name("misbehaving.py"), tmp_path / "mine.py"))


def start(mine, out, **changed):
    chosen = {
        "problems": ["mm1-optimum"],
        "formulations": ["inv_pos"],
        "sizes": [3],
        "loads": LOADS,
        "solvers": [f"{mine}:good"],
        "repeats": 1,
        "out": out,
    }
    return compare(**chosen | changed)


def calls(mine):
    file = mine.with_name("calls.txt")
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_an_interrupted_run_goes_on_and_changes_run_again(mine, tmp_path):
    out = tmp_path / "run"
    rows = start(mine, out)
    first = next(rows)
    rows.close()  # as Ctrl-C does
    assert calls(mine) <= 2
    with (out / "rows.jsonl").open("a") as file:
        file.write('{"row": {"problem": "mm1-opt')  # the process was killed here
    (kept,) = read_rows(out)
    assert plain_row(kept) == plain_row(first)

    before = calls(mine)
    whole = list(start(mine, out))
    assert [row.load for row in whole] == LOADS
    assert calls(mine) == before + 2
    assert plain_row(whole[0]) == plain_row(first)
    assert len(read_rows(out)) == 3
    assert all(json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines())

    mine.write_text(mine.read_text().replace('__version__ = "1"', '__version__ = "2"'))
    before = calls(mine)
    with pytest.warns(UserWarning, match="because of changes since the last run: version of 3"):
        again = list(start(mine, out))
    assert calls(mine) == before + 3
    assert {row.version for row in again} == {"2"}
    assert {row.version for row in read_rows(out)} == {"2"}


def test_a_folder_in_use_or_with_other_files_is_refused(tmp_path):
    with Store(tmp_path), pytest.raises(InputError, match="is in use by process"), Store(tmp_path):
        pass
    (tmp_path / "rows.jsonl").write_text("not JSON\n{}\n")
    with pytest.raises(InputError, match=r"line 1 of its rows\.jsonl is not JSON"), Store(tmp_path):
        pass


def test_rows_survive_the_file():
    row = Row(
        problem="p", formulation="f", n=3, load=0.1, rate_spread=1.0, delay_spread=0.0, seed=0,
        solver="S", error=1 / 3,
    )  # fmt: skip
    text = json.dumps(plain_row(row), allow_nan=False)
    back = row_of(json.loads(text))
    assert plain_row(back) == plain_row(row)
    assert back.error == row.error
    assert back.violation == float("inf")
    older = {name: value for name, value in plain_row(row).items() if name != "own_seconds"}
    assert plain_row(row_of(older)) == plain_row(row)  # a file of before it had that field
