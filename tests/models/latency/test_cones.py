"""Cones of M/G/1: minimised, they equal their function; and their declared kinds are right."""

import cvxpy as cp
import numpy as np
import pytest

from sojourn.models import MD1, MG1, MM1, Constant, InputError
from sojourn.models.latency import MixedLatency
from sojourn.models.latency.check_cones import cone_cases

BANKS = {
    "MM1": MM1([3.0, 1.0, 7.0], [0.0, 0.5, 2.0]),
    "MD1": MD1([3.0, 1.0, 7.0], [0.0, 0.5, 2.0]),
    "MG1": MG1([3.0, 1.0, 7.0], cv=[0.0, 1.5, 10.0], delay=[0.0, 0.5, 2.0]),
    "mixed": MixedLatency([MM1([3.0], 0.2), MD1([1.0, 2.0]), MG1([7.0], cv=4.0, delay=1.0)]),
}
FORMS = ("inv_pos", "quad_over_lin")
# light load, where inv_pos cancels, medium and heavy load, where quad_over_lin is worse conditioned
UTILISATIONS = (0.001, 0.3, 0.95)

every_bank = pytest.mark.parametrize("bank", BANKS.values(), ids=BANKS)


def cones(bank, flow):
    """Every cone of a bank, by name."""
    named = {f"total {form}": bank.total_cone(flow, form) for form in FORMS}
    return {
        **named,
        "total default": bank.total_cone(flow),
        "potential": bank.potential_cone(flow),
        "latency": bank.latency_cone(flow),
    }


def expected_value(bank, name, flow):
    """Value of the function that a cone stands for."""
    if name.startswith("total"):
        return flow * bank.latency(flow)
    return {"potential": bank.potential, "latency": bank.latency}[name](flow)


NAMES = ("total inv_pos", "total quad_over_lin", "total default", "potential", "latency")


# the tolerances are tighter than the solver guarantees; the comparison of the values decides
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@every_bank
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("utilisation", UTILISATIONS)
def test_minimised_cone_equals_its_function(bank, name, utilisation):
    flow = cp.Variable(len(bank))
    given = bank.rate * np.linspace(utilisation, utilisation / 2, len(bank))
    cone = cones(bank, flow)[name]
    problem = cp.Problem(cp.Minimize(cp.sum(cone.value)), [flow == given, *cone.constraints])
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    expected = expected_value(bank, name, given)
    # cancellation in a form leaves an error relative to k, not to the value
    np.testing.assert_allclose(cone.value.value, expected, rtol=1e-6, atol=1e-9 * bank.k.max())
    assert problem.value == pytest.approx(expected.sum(), rel=1e-6)


@every_bank
@pytest.mark.parametrize("name", NAMES)
def test_no_point_of_the_cone_is_below_its_function(bank, name):
    """All three functions increase: flows above x cannot lower a cone below its value at x."""
    flow = cp.Variable(len(bank))
    given = 0.6 * bank.rate
    cone = cones(bank, flow)[name]
    worst = cp.Problem(
        cp.Minimize(cp.max(cone.value - expected_value(bank, name, given))),
        [flow >= given, *cone.constraints],
    )
    assert worst.solve(solver="CLARABEL") == pytest.approx(0.0, abs=1e-6)


@every_bank
@pytest.mark.parametrize("name", NAMES)
def test_cone_with_a_parameter_load_is_dcp_and_dpp(bank, name):
    flow, load = cp.Variable(len(bank), nonneg=True), cp.Parameter(nonneg=True)
    cone = cones(bank, flow)[name]
    problem = cp.Problem(cp.Minimize(cp.sum(cone.value)), [cp.sum(flow) == load, *cone.constraints])
    assert problem.is_dcp(dpp=True)
    assert cone.value.is_convex()


@every_bank
@pytest.mark.parametrize("name", NAMES)
def test_declared_kinds_are_those_that_cvxpy_compiles(bank, name):
    flow = cp.Variable(len(bank))
    cone = cones(bank, flow)[name]
    problem = cp.Problem(cp.Minimize(cp.sum(cone.value)), [cp.sum(flow) == 1, *cone.constraints])
    dims = problem.get_problem_data("CLARABEL")[0]["dims"]
    made = {
        kind
        for kind, size in (
            ("SOC", len(dims.soc)),
            ("EXP", dims.exp),
            ("PSD", len(dims.psd)),
            ("POW", len(dims.p3d)),
        )
        if size
    }
    assert made == cone.kinds
    # one small cone per server: a loop of atoms would be slow at 10,000 servers
    assert dims.exp == len(bank) if "EXP" in made else list(dims.soc) == [3] * len(bank)


@every_bank
@pytest.mark.parametrize("unit", [1e-3, 7.0, 1e6])
def test_numbers_are_the_same_in_another_unit_of_time(bank, unit):
    scaled = bank.in_unit(unit)
    assert type(scaled) is type(bank)
    back = scaled.in_unit(1 / unit)
    for field in ("rate", "delay", "k"):
        np.testing.assert_allclose(getattr(back, field), getattr(bank, field), rtol=1e-15)
    given = 0.7 * bank.rate
    np.testing.assert_allclose(scaled.latency(given * unit), bank.latency(given) / unit, rtol=1e-13)
    np.testing.assert_allclose(scaled.potential(given * unit), bank.potential(given), rtol=1e-12)


@pytest.mark.parametrize("name", ["MM1", "MD1", "MG1"])
def test_unknown_form_is_refused_and_the_forms_are_named(name):
    with pytest.raises(
        InputError,
        match=rf"form = 'sqrt': is not a form of the cone of {name}; use inv_pos or quad_over_lin",
    ):
        BANKS[name].total_cone(cp.Variable(3), "sqrt")
    with pytest.raises(InputError, match="form = 'sqrt'"):
        BANKS["mixed"].total_cone(cp.Variable(4), "sqrt")


def test_a_bank_without_a_common_form_has_a_total_cone():
    bank, flow = MixedLatency([BANKS["MM1"], Constant([0.3])]), cp.Variable(4)
    assert bank.forms == ()
    for cone in (
        bank.total_cone(flow),
        bank.total_cone(flow, None),
        bank.total_cone(flow, form=None),
    ):
        assert cone.kinds == {"SOC"}
    with pytest.raises(InputError, match=r"form = 'inv_pos': is not a form .*; leave it out"):
        bank.total_cone(flow, "inv_pos")
    assert [case.name for case in cone_cases(bank)] == [
        "total_cone",
        "potential_cone",
        "latency_cone",
    ]


def test_mixed_bank_is_its_banks_in_order():
    mixed = BANKS["mixed"]
    np.testing.assert_array_equal(mixed.rate, [3.0, 1.0, 2.0, 7.0])
    np.testing.assert_array_equal(mixed.k, [1.0, 0.5, 0.5, 8.5])
    assert mixed.forms == FORMS
    part = mixed.take(np.array([0, 2, 3]))
    assert isinstance(part, MixedLatency)
    np.testing.assert_array_equal(part.rate, [3.0, 2.0, 7.0])
    np.testing.assert_array_equal(part.k, [1.0, 0.5, 8.5])


def test_mixed_bank_refuses_a_bank_without_cones():
    from sojourn import reference

    with pytest.raises(
        InputError,
        match=r"servers\[1\].*is not a bank with cones; use the classes of sojourn.models",
    ):
        MixedLatency([MM1([1.0]), reference.MM1([1.0])])
