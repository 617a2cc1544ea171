"""Rows of results as tables, as JSON and as data frames."""

import io
import json
import math
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from sojourn.models.frontend.report import flat
from sojourn.models.frontend.tables import as_json, plain, table


def shown(table_, width):
    console = Console(width=width, file=io.StringIO())
    console.print(table_)
    return console.file.getvalue()


def test_numbers_are_complete_where_text_is_wrapped():
    rows = [
        ("[bold]first",),
        ("a", "0.123456789", "some words that are long"),
        ("[bold]second",),
        ("b", "1", ""),
    ]
    table_ = table(("name", "number", "why"), rows, text=("why",), title="title", caption="below")
    narrow, wide = shown(table_, 30), shown(table_, 100)
    assert "some words that are long" in wide
    assert "some words that are long" not in narrow
    for text in (narrow, wide):
        assert "0.123456789" in text
        assert "title" in text
        assert "below" in text
    lines = [line.rstrip() for line in wide.splitlines()]
    assert lines.index(" second") > lines.index(" first") + 1
    assert [column.justify for column in table_.columns] == ["left", "right", "left"]


@dataclass
class Plain:
    value: float
    parts: tuple


@dataclass
class Told:
    value: float

    def to_dict(self):
        return {"twice": 2 * self.value}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.inf, None),
        (np.float64("nan"), None),
        (np.float64(0.5), 0.5),
        (True, True),
        (3, 3),
        ("inf", "inf"),
        (None, None),
        (Plain(math.nan, (1.0, -math.inf)), {"value": None, "parts": [1.0, None]}),
        ([Told(1.5), Told(math.inf)], [{"twice": 3.0}, {"twice": None}]),
        ({"a": {2: math.inf}}, {"a": {2: None}}),
    ],
)
def test_json_has_none_for_infinite_and_missing_numbers(value, expected):
    assert plain(value) == expected
    assert "Infinity" not in as_json(value)
    assert "NaN" not in as_json(value)


def test_text_of_json_is_read_back():
    assert json.loads(as_json([Plain(1.0, ())])) == [{"value": 1.0, "parts": []}]


def test_a_curve_with_many_columns_is_flat_without_a_warning():
    values = np.arange(400.0).reshape(2, 200)
    names = [f"m{i}" for i in range(200)]
    data = xr.Dataset(
        {"part": (("load", "mode"), values), "delay": ("load", [1.0, 2.0])},
        {"load": [3.0, 4.0], "mode": names},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = flat(data)
    assert list(frame.columns) == ["load", "delay", *(f"part[{name}]" for name in names)]
    np.testing.assert_array_equal(frame.to_numpy()[:, 2:], values)
