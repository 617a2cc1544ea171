"""Exact sums, and splits of exactly the load near given flows."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sojourn.models import MM1
from sojourn.models.systems.parallel.splits import (
    FEW_TERMS,
    compensated_sum,
    load_residual,
    project_to_load,
)

BANK = MM1([10.0, 5.0, 3.0, 1e-3])
TOTAL = float(BANK.total_rate[0])


@pytest.mark.parametrize("rows", [1, 3, FEW_TERMS])
def test_sums_are_exact_where_terms_cancel(rows):
    """Few rows are summed one by one, many as arrays."""
    terms = np.random.default_rng(1).normal(size=(rows, 6)) * 10.0 ** np.arange(-15, 15, 5)
    terms = np.concatenate([terms, -np.round(terms.sum(axis=-1, keepdims=True), 3)], axis=-1)
    for row, found in zip(terms, compensated_sum(terms), strict=True):
        assert found == pytest.approx(float(sum(map(Fraction, row))), rel=1e-15)


@pytest.mark.parametrize("shape", [(7,), (1, 7), (2, 3, 7)])
def test_sums_keep_the_leading_axes(shape):
    terms = np.random.default_rng(2).normal(size=shape)
    assert np.shape(compensated_sum(terms)) == shape[:-1]
    np.testing.assert_allclose(compensated_sum(terms), terms.sum(axis=-1), rtol=1e-13)


@pytest.mark.parametrize("row", [[math.inf, 1.0], [math.nan, 1.0], [math.inf, -math.inf]])
@pytest.mark.parametrize("rows", [1, FEW_TERMS])
def test_sums_with_infinite_terms_are_not_finite_and_the_others_are_exact(row, rows):
    with np.errstate(invalid="ignore"):
        found = compensated_sum(np.array([row, [1e16, 1.0]] * rows))
    assert not np.isfinite(found[::2]).any()
    assert np.all(found[1::2] == 1e16)


def test_sum_that_overflows_is_not_finite():
    with np.errstate(over="ignore", invalid="ignore"):
        assert not np.isfinite(compensated_sum(np.array([[1e308, 1e308, -1e308]]))).any()


@pytest.mark.parametrize("part", [1e-9, 1e-3, 0.5, 0.99, 1 - 1e-9])
@pytest.mark.parametrize("error", [1e-15, 1e-7, 1e-2])
def test_splits_of_a_row_do_not_depend_on_the_other_rows(part, error):
    rng, loads = np.random.default_rng(3), np.full(20, part * TOTAL)
    flow = part * BANK.rate * (1 + error * (1 - part) * rng.normal(size=(20, 4)))
    x, valid = project_to_load(BANK, loads, flow, trim=False)
    assert valid.all()
    assert np.all(np.abs(load_residual(loads, x)) <= 2.0**-53 * loads)
    for k in range(20):
        alone, _ = project_to_load(BANK, loads[k : k + 1], flow[k : k + 1], trim=False)
        np.testing.assert_array_equal(alone[0], x[k])


def test_split_of_the_load_stays_as_it_is():
    flow = np.array([[4.0, 2.0, 1.0, 5e-4]])
    x, valid = project_to_load(BANK, flow.sum(axis=-1), flow, trim=False)
    assert valid.all()
    np.testing.assert_array_equal(x, flow)
