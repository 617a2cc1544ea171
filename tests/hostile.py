"""Values that no argument expects.

They are made anew for each call, since a call can exhaust a generator or change a list.
"""

import datetime
import decimal
import fractions
import itertools
import math
import numbers
import re
import signal
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import cvxpy as cp
import numpy as np
import pandas as pd
import xarray as xr

from sojourn.models import InputError, NotCertifiedError


class Raising:
    """An object whose special methods all raise."""

    def refuse(self, *_):
        raise RuntimeError("an object that raises")

    __repr__ = __str__ = __len__ = __iter__ = __array__ = __eq__ = __lt__ = __le__ = __gt__ = (
        __ge__
    ) = refuse
    __bool__ = __float__ = __int__ = __index__ = __getitem__ = __call__ = __add__ = __mul__ = (
        __fspath__
    ) = refuse
    __hash__ = object.__hash__


class RaisingAttributes(Raising):
    """The same, and every attribute raises."""

    def __getattr__(self, name):
        raise RuntimeError("an object that raises")


class Endless:
    """A sequence without end and without a length."""

    def __getitem__(self, index):
        return 1.0


def itself():
    """Return a list that contains itself."""
    made = [1.0]
    made.append(made)
    return made


def deep():
    """Return a list in lists, deeper than the stack."""
    made = [1.0]
    for _ in range(5000):
        made = [made]
    return made


HOSTILE = {
    "None": lambda: None,
    "True": lambda: True,
    "False": lambda: False,
    "numpy True": lambda: np.True_,
    "'no'": lambda: "no",
    "''": lambda: "",
    "'  '": lambda: "  ",
    "'4'": lambda: "4",
    "a NUL": lambda: "a\0b",
    "half a character": lambda: "\ud800",
    "long text": lambda: "x" * 5000,
    "b'4'": lambda: b"4",
    "bytearray": lambda: bytearray(b"ab"),
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "-inf": lambda: -math.inf,
    "-1": lambda: -1,
    "0": lambda: 0,
    "1": lambda: 1,
    "3": lambda: 3,
    "2.5": lambda: 2.5,
    "-0.0": lambda: -0.0,
    "1e308": lambda: 1e308,
    "-1e308": lambda: -1e308,
    "5e-324": lambda: 5e-324,
    "10**400": lambda: 10**400,
    "-10**400": lambda: -(10**400),
    "10**12": lambda: 10**12,
    "2**63": lambda: 2**63,
    "1j": lambda: 1j,
    "1+0j": lambda: 1 + 0j,
    "Decimal": lambda: decimal.Decimal("0.5"),
    "Decimal nan": lambda: decimal.Decimal("nan"),
    "Fraction": lambda: fractions.Fraction(1, 2),
    "date": lambda: datetime.date(2020, 1, 1),
    "timedelta": lambda: datetime.timedelta(seconds=1),
    "datetime64": lambda: np.datetime64("2020-01-01"),
    "timedelta64": lambda: np.timedelta64(1, "s"),
    "Timestamp": lambda: pd.Timestamp("2020-01-01"),
    "NaT": lambda: pd.NaT,
    "NA": lambda: pd.NA,
    "float64": lambda: np.float64(0.5),
    "float32 nan": lambda: np.float32("nan"),
    "int64": lambda: np.int64(2),
    "complex128": lambda: np.complex128(1j),
    "np.str_": lambda: np.str_("a"),
    "np.void": lambda: np.void(b"ab"),
    "[]": lambda: [],
    "()": lambda: (),
    "[[]]": lambda: [[]],
    "[1]": lambda: [1.0],
    "[1, 2]": lambda: [1.0, 2.0],
    "[0.5, 0.5]": lambda: [0.5, 0.5],
    "[1, 2, 3]": lambda: [1.0, 2.0, 3.0],
    "[nan, inf]": lambda: [math.nan, math.inf],
    "[-1, 0]": lambda: [-1.0, 0.0],
    "[1e308, 1e308]": lambda: [1e308, 1e308],
    "[5e-324, 1]": lambda: [5e-324, 1.0],
    "[1, None]": lambda: [1.0, None],
    "[1, True]": lambda: [1.0, True],
    "[1, 'a']": lambda: [1.0, "a"],
    "['a', 'b']": lambda: ["a", "b"],
    "['a', 'a']": lambda: ["a", "a"],
    "[1, 10**400]": lambda: [1, 10**400],
    "[object]": lambda: [object()],
    "[4]": lambda: [4],
    "nested": lambda: [[1.0, 2.0], [3.0, 4.0]],
    "ragged": lambda: [[1.0], [1.0, 2.0]],
    "half nested": lambda: [1.0, [2.0, 3.0]],
    "holds itself": itself,
    "deep": deep,
    "empty array": lambda: np.array([]),
    "shape (0, 2)": lambda: np.zeros((0, 2)),
    "shape (2, 0)": lambda: np.zeros((2, 0)),
    "shape ()": lambda: np.array(0.5),
    "shape (1, 1)": lambda: np.ones((1, 1)),
    "shape (2, 2)": lambda: np.ones((2, 2)),
    "shape (2, 2, 2)": lambda: np.ones((2, 2, 2)),
    "object array": lambda: np.array([1.0, None, "a"], dtype=object),
    "object array of numbers": lambda: np.array([1.0, 2.0], dtype=object),
    "array of text": lambda: np.array(["a", "b"]),
    "array of bytes": lambda: np.array([b"a", b"b"]),
    "array of bool": lambda: np.array([True, False]),
    "array of complex": lambda: np.array([1j, 2.0]),
    "array of dates": lambda: np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]"),
    "array of records": lambda: np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "array of float16": lambda: np.array([1.0, 2.0], dtype=np.float16),
    "masked": lambda: np.ma.array([1.0, 2.0], mask=[True, False]),
    "Series": lambda: pd.Series([1.0, 2.0], index=["x", "y"]),
    "Series of text": lambda: pd.Series(["a", "b"]),
    "Series with NA": lambda: pd.Series([1, None], dtype="Int64"),
    "Index": lambda: pd.Index(["a", "b"]),
    "DataFrame": lambda: pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}),
    "Categorical": lambda: pd.Categorical(["a", "b"]),
    "DataArray": lambda: xr.DataArray([1.0, 2.0], dims="load"),
    "Dataset": lambda: xr.Dataset({"a": ("load", [1.0, 2.0])}, {"load": [1.0, 2.0]}),
    "Variable": lambda: cp.Variable(2),
    "Constant": lambda: cp.Constant([1.0, 2.0]),
    "{}": dict,
    "{'a': 1}": lambda: {"a": 1.0},
    "{1: 2}": lambda: {1: 2},
    "{1, 2}": lambda: {1.0, 2.0},
    "frozenset": lambda: frozenset({"a"}),
    "range": lambda: range(2),
    "generator": lambda: (x for x in (1.0, 2.0)),
    "endless generator": lambda: itertools.count(1.0),
    "endless sequence": Endless,
    "map": lambda: map(float, "12"),
    "memoryview": lambda: memoryview(b"ab"),
    "slice": lambda: slice(0, 1),
    "Ellipsis": lambda: ...,
    "NotImplemented": lambda: NotImplemented,
    "lambda": lambda: lambda *_: 1.0,
    "lambda that raises": lambda: lambda *_: 1 / 0,
    "print": lambda: len,
    "class": lambda: int,
    "module": lambda: math,
    "object": object,
    "an error": lambda: ValueError("a"),
    "raises": Raising,
    "raises on attributes": RaisingAttributes,
    "Path": lambda: Path("nowhere/at-all"),
    "folder": lambda: Path(),
}


ALLOWED = (InputError, NotCertifiedError)
SECONDS = 10.0  # after which a call hangs


class HangsError(BaseException):
    """The time limit of a call; a BaseException, which no call may catch."""


def outcome(call, said, **given):
    """Return what a call does with the arguments.

    "answered", "refused", "taken" for a value that cannot be read as `said`, or the error.
    """

    def hang(*_):
        raise HangsError

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            call(**given)
    except ALLOWED as error:
        str(error), repr(error)
        return "refused"
    except TypeError as error:
        if re.search("unexpected keyword argument|required positional argument", str(error)):
            return "refused"
        return f"TypeError: {error}"
    except HangsError:
        return "hangs"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    numpys = [w for w in warned if not issubclass(w.category, UserWarning)]
    if numpys:
        return f"warns: {numpys[0].category.__name__}: {numpys[0].message}"
    return (
        "answered"
        if all(readable(value, said.get(name, "")) for name, value in given.items())
        else "taken"
    )


PLAIN = {
    "bool": lambda v: isinstance(v, bool | np.bool_),
    "str": lambda v: isinstance(v, str),
    "int": lambda v: isinstance(v, int | np.integer) and not isinstance(v, bool),
    "float": lambda v: (
        (isinstance(v, numbers.Number) and not isinstance(v, bool | complex))
        or (isinstance(v, np.ndarray) and v.shape == ())
    ),
    "None": lambda v: v is None,
    "Path": lambda v: isinstance(v, Path),
    "os.PathLike[str]": lambda v: isinstance(v, Path),
    "Mapping[str, Any]": lambda v: isinstance(v, Mapping),
    "Sequence[Any]": lambda v: (
        isinstance(v, Sequence | np.ndarray | pd.Series | pd.Index)
        and not isinstance(v, str | bytes)
    ),
}


def readable(value, said):
    """Whether a value fits an annotation; True for an annotation beyond plain types."""
    kinds = re.split(r" \| ", said)
    return not set(kinds) <= set(PLAIN) or any(PLAIN[kind](value) for kind in kinds)
