"""Samples of measured latencies, from arrays and files: errors."""

import cvxpy as cp
import numpy as np
import pytest

from sojourn.models import InputError
from sojourn.models.latency.measured import Measured

GOOD = [1.0, 2.0, 3.0]


# ---- files


def test_from_csv(tmp_path):
    load = np.random.default_rng(0).uniform(0.0, 80.0, 50)
    latency = 1 / (100.0 - load)
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    samples = enumerate(zip(load.tolist(), latency.tolist(), strict=True))
    lines = "".join(f"{k},{x!r},{y!r}\n" for k, (x, y) in samples)
    first.write_text(f"time, load ,latency\n{lines}")
    second.write_text("\ufefflatency,load\r\n1,1\r\n\r\n2,2\r\n4,3\r\n", encoding="utf-8")
    single = Measured.from_csv(first, pieces=4)
    both = Measured.from_csv([str(first), second], pieces=4, delay=[0.001, 0.0])
    expected = Measured(load, latency, 4)
    np.testing.assert_array_equal(single.starts, expected.starts)
    np.testing.assert_array_equal(single.values, expected.values)
    assert [len(x) for x, _ in both.samples] == [50, 3]
    assert both.delay.tolist() == [0.001, 0.0]
    assert Measured.from_csv(second, capacity=5.0).full_load.tolist() == [5.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "load,delay\n1,2\n",
            r"bad.csv, row 1 = 'load,delay': has no column latency; name the columns in the "
            r"first line",
        ),
        (
            "",
            r"^path = .*bad.csv': has none of the columns load, latency in its first line; give "
            r"a CSV file of samples",
        ),
        (
            "load,latency\n1,2\n\n2,fast\n",
            r"bad.csv, row 4, column latency = 'fast': is not a number; give a number, or leave "
            r"the row out",
        ),
        ("load,latency\n1,2\n2\n", r"bad.csv, row 3, column latency = '': is not a number"),
        ("load,latency\n1,2\nnan,3\n", r"bad.csv, row 3, column load = nan: is not finite"),
        (
            "load,latency\n1,2\n-3,3\n",
            r"bad.csv, row 3, column load = -3.0: a load cannot be negative; give 0 or more",
        ),
        (
            "load,latency\n1,0\n",
            r"bad.csv, row 2, column latency = 0.0: a latency is above 0; give a positive number",
        ),
        (
            "load,latency\n1,2\n1,3\n",
            r"bad.csv, column load = \[1.0\]: has 1 different load, too few for a curve; give "
            r"samples at three",
        ),
        ("load,latency\n", r"bad.csv, column load = \[\]: there is no sample"),
    ],
)
def test_errors_in_files_are_named_with_row_and_column(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        Measured.from_csv(path)


def test_a_missing_file_is_named(tmp_path):
    for given in (3, [3], None, [b"a.csv"]):
        with pytest.raises(
            InputError, match=r"^path = .*: is not the path of a file; give a CSV file of samples"
        ):
            Measured.from_csv(given)
    with pytest.raises(
        InputError, match=r"^path = .*none.csv': cannot be read: .*; give a CSV file of samples"
    ):
        Measured.from_csv(tmp_path / "none.csv")


# ---- errors


@pytest.mark.parametrize(
    ("load", "latency", "options", "message"),
    [
        ([], [], {}, r"^load = \[\]: there is no sample; give samples at three loads or more"),
        ([GOOD, []], [GOOD, []], {}, r"^load\[1\] = \[\]: there is no sample"),
        (
            GOOD,
            [1.0, 2.0],
            {},
            r"^latency = \[1.0, 2.0\]: has 2 values where load has 3; give one latency for "
            r"every load",
        ),
        (
            [GOOD, GOOD],
            [GOOD, [1.0]],
            {},
            r"^latency\[1\] = \[1.0\]: has 1 value where load\[1\] has 3",
        ),
        (
            [GOOD, GOOD],
            [GOOD],
            {},
            r"^latency = .*: is of 1 server where load is of 2; give both for every server",
        ),
        ([1.0, np.nan, 3.0], GOOD, {}, r"^load\[1\] = nan: is not finite; give a finite number"),
        (
            [GOOD, [1.0, 2.0, -3.0]],
            [GOOD, GOOD],
            {},
            r"^load\[1\]\[2\] = -3.0: a load cannot be negative; give 0 or more",
        ),
        (GOOD, [1.0, np.inf, 3.0], {}, r"^latency\[1\] = inf: is not finite"),
        (
            GOOD,
            [0.0, 2.0, 3.0],
            {},
            r"^latency\[0\] = 0.0: a latency is above 0; give a positive number, or leave the "
            r"sample out",
        ),
        (
            [1.0, 2.0, 2.0],
            GOOD,
            {},
            r"^load = \[1.0, 2.0\]: has 2 different loads, too few for a curve; give samples at "
            r"three loads",
        ),
        ([1.0, "a", 3.0], GOOD, {}, r"^load = \[1.0, 'a', 3.0\]: is not made of numbers"),
        (
            [GOOD, 2.0],
            [GOOD, GOOD],
            {},
            r"^load\[1\] = 2.0: is not a row of numbers; give one number per sample",
        ),
        (5.0, GOOD, {}, r"^load = 5.0: is not a row of numbers"),
        (
            GOOD,
            GOOD,
            {"pieces": 0},
            r"^pieces = 0: is not a number of pieces; give a whole number from 1",
        ),
        (GOOD, GOOD, {"pieces": 2.5}, r"^pieces = 2.5: is not a number of pieces"),
        (GOOD, GOOD, {"pieces": True}, r"^pieces = True: is not a number of pieces"),
        (
            GOOD,
            GOOD,
            {"delay": -1.0},
            r"^delay\[0\] = -1.0: a delay cannot be negative; give 0 or more",
        ),
        (GOOD, GOOD, {"delay": np.nan}, r"^delay\[0\] = nan: is not finite"),
        (
            GOOD,
            GOOD,
            {"delay": [0.0, 0.1]},
            r"^delay = \[0.0, 0.1\]: is not one number for each of 1 server; give one",
        ),
        (
            GOOD,
            GOOD,
            {"capacity": 0.0},
            r"^capacity\[0\] = 0.0: is not above 0; give a load, or leave it out: it is then "
            r"the largest sample",
        ),
        (GOOD, GOOD, {"capacity": np.inf}, r"^capacity\[0\] = inf: is not finite"),
        (
            GOOD,
            GOOD,
            {"capacity": [1.0, 2.0]},
            r"^capacity = \[1.0, 2.0\]: is not one number for each of 1 server",
        ),
        (
            GOOD,
            GOOD,
            {"delay": 2.0},
            r"^delay\[0\] = 2.0: is as long as half of the latencies of its server; give less",
        ),
    ],
)
def test_invalid_samples_are_refused_before_any_solver_runs(
    monkeypatch, load, latency, options, message
):
    def solve(*args, **kwargs):
        pytest.fail("a solver ran")

    monkeypatch.setattr(cp.Problem, "solve", solve)
    with pytest.raises(InputError, match=message):
        Measured(load, latency, **options)
