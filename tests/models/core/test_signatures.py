"""Signatures and docstrings of the public functions list every option, with the defaults in use."""

import copy
import functools
import importlib
import inspect
import pickle
import pkgutil
import re
from typing import TypedDict, Unpack

import numpy as np
import pytest
import xarray as xr

import sojourn.models
from sojourn.models import (
    MM1,
    DualMode,
    MultiMode,
    NotCertifiedError,
    ParallelServers,
    TunableMode,
    register,
    study,
    verify,
)
from sojourn.models.core.options import (
    DEFAULTS,
    DESCRIPTIONS,
    FormulationOptions,
    PolishOptions,
    SolveOptions,
)
from sojourn.models.core.signatures import show_options
from sojourn.models.core.system import System
from sojourn.models.core.tolerance import GapTolerance
from sojourn.models.systems.parallel.game_curves import control_curve, players_curve
from sojourn.models.systems.parallel.misspecification import misspecified_delays
from sojourn.models.systems.service_modes import curve as mode_curves

SERVERS = ParallelServers(MM1(rate=[3.0, 2.0], delay=[0.0, 0.1]))
MODES = DualMode.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15))
TUNABLE = TunableMode(mu0=1.0, K=4.0)
CALLS = {
    "ParallelServers.optimum": functools.partial(SERVERS.optimum, 2.0),
    "ParallelServers.equilibrium": functools.partial(SERVERS.equilibrium, 2.0),
    "ParallelServers.price_of_anarchy": functools.partial(SERVERS.price_of_anarchy, 2.0),
    "ParallelServers.curve": functools.partial(SERVERS.curve, [1.0, 2.0]),
    "ParallelServers.worst_case": functools.partial(SERVERS.worst_case, 2.0),
    "ParallelServers.control": functools.partial(SERVERS.control, 2.0, 0.5),
    "ParallelServers.tolls": functools.partial(SERVERS.tolls, 2.0),
    "ParallelServers.sensitivity": functools.partial(SERVERS.sensitivity, 2.0),
    "MultiMode.capacity": MODES.capacity,
    "MultiMode.partition": functools.partial(MODES.partition, 2.0, 0.5),
    "MultiMode.assignment": functools.partial(MODES.assignment, 2.0),
    "MultiMode.breakaway": MODES.breakaway,
    "MultiMode.breakaways": functools.partial(MODES.breakaways, 3.5, 4.0, 2),
    "MultiMode.curve": functools.partial(MODES.curve, [1.0, 2.0]),
    "TunableMode.optimum": functools.partial(TUNABLE.optimum, 2.0),
    "TunableMode.curve": functools.partial(TUNABLE.curve, [1.0, 2.0]),
    "players_curve": functools.partial(players_curve, SERVERS, [2.0], [1, 2]),
    "control_curve": functools.partial(control_curve, SERVERS, 2.0, [0.5]),
    "misspecified_delays": functools.partial(misspecified_delays, SERVERS, SERVERS, [2.0]),
    "partition_curve": functools.partial(mode_curves.partition_curve, MODES, [2.0], 0.5),
    "study": functools.partial(study, [SERVERS], [2.0]),
    "verify": functools.partial(verify, SERVERS, [2.0]),
}
FUNCTIONS = {
    "players_curve": players_curve,
    "control_curve": control_curve,
    "misspecified_delays": misspecified_delays,
    "partition_curve": mode_curves.partition_curve,
    "study": study,
    "verify": verify,
}
KINDS = (ParallelServers, MultiMode, TunableMode)
TASKS = {"task", "followers", "assignment_sweep", "partition_sweep"}
"""Methods that return a task and not an answer; the questions call them."""


def function_of(name):
    """Return the public function or method with a name of `CALLS`."""
    kind, _, method = name.rpartition(".")
    return getattr({k.__name__: k for k in KINDS}[kind], method) if kind else FUNCTIONS[name]


def keywords(function):
    """Return the defaults of the keyword-only parameters."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def plain(result):
    """Return the numbers of a result, without times and the CVXPY problem."""
    if isinstance(result, xr.Dataset):
        return result.to_dict()
    if hasattr(result, "to_dict"):
        return {k: v for k, v in result.to_dict().items() if k not in ("timing", "attempts")}
    return repr(result)


@pytest.mark.parametrize("name", CALLS)
def test_signature_lists_every_option(name):
    shown = keywords(function_of(name))
    expected = PolishOptions if name.startswith("MultiMode") else FormulationOptions
    if name in ("study", "verify", "MultiMode.capacity"):
        expected = SolveOptions
    if name == "partition_curve":
        expected = PolishOptions
    assert {k: v for k, v in shown.items() if k in DEFAULTS} == {
        k: DEFAULTS[k] for k in expected.__annotations__
    }


def test_no_public_method_of_a_system_hides_options():
    for kind in (*KINDS, DualMode):
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_"):
                parameters = inspect.signature(method).parameters.values()
                assert not [p for p in parameters if p.kind is p.VAR_KEYWORD], name
                if "solver" in inspect.signature(method).parameters and name not in TASKS:
                    assert any(f"{k.__name__}.{name}" in CALLS for k in kind.__mro__), name


def test_every_module_function_that_takes_options_shows_them():
    hidden = []
    for module in pkgutil.walk_packages(sojourn.models.__path__, "sojourn.models."):
        if ".benchmarks" in module.name or module.name.endswith("__main__"):
            continue
        for name, function in vars(importlib.import_module(module.name)).items():
            if (
                inspect.isfunction(function)
                and not name.startswith("_")
                and function.__module__ == module.name
                and "Unpack[" in str(function.__annotations__)
                and not hasattr(function, "__signature__")
            ):
                hidden.append(f"{module.name}.{name}")
    assert hidden == []


@pytest.mark.parametrize("name", CALLS)
def test_defaults_shown_are_those_in_use(name):
    given = {k: v for k, v in keywords(function_of(name)).items() if k in DEFAULTS}
    np.testing.assert_equal(plain(CALLS[name](**given)), plain(CALLS[name]()))


@pytest.mark.parametrize(
    "name",
    [
        "ParallelServers.optimum",
        "ParallelServers.equilibrium",
        "MultiMode.capacity",
        "MultiMode.partition",
        "MultiMode.assignment",
        "TunableMode.optimum",
    ],
)
def test_default_of_throw_is_the_one_in_use(name):
    for options in ({}, {"throw": DEFAULTS["throw"]}):
        with pytest.raises(NotCertifiedError):
            CALLS[name](gap=1e-30, **options)
    assert not CALLS[name](gap=1e-30, throw=not DEFAULTS["throw"]).certified


def test_defaults_of_gap_and_polish_are_those_in_use():
    given = {name: DEFAULTS[name] for name in ("gap", "polish")}
    assert GapTolerance.of(given) == GapTolerance.of({}) != GapTolerance.of({"polish": False})


@pytest.mark.parametrize("name", CALLS)
def test_unknown_option_raises_with_a_hint(name):
    hint = r"got an unexpected keyword argument 'solvr'; did you mean solver\?"
    with pytest.raises(TypeError, match=hint):
        CALLS[name](solvr="SCS")


@pytest.mark.parametrize("name", CALLS)
def test_docstring_describes_every_option_once(name):
    text = inspect.getdoc(function_of(name))
    for option in keywords(function_of(name)):
        if option in DEFAULTS:
            assert len(re.findall(rf"^{option} : ", text, re.MULTILINE)) == 1
    sections = re.findall(r"^([A-Z]\w+(?: \w+)?)\n-+$", text, re.MULTILINE)
    assert len(sections) == len(set(sections))
    ends = [s for s in sections if s in ("Other Parameters", "Raises", "Notes", "Examples")]
    assert ends == sorted(ends, key=["Other Parameters", "Raises", "Notes", "Examples"].index)


def test_docstring_keeps_the_own_description_of_an_option():
    text = inspect.getdoc(MultiMode.assignment)
    assert "gap : float, default 1e-7" in text
    assert DESCRIPTIONS["gap"] not in text


def test_every_option_has_a_default_and_a_description():
    assert set(DEFAULTS) == set(DESCRIPTIONS) == set(FormulationOptions.__annotations__)


def test_functions_and_systems_are_still_pickled_and_copied():
    for name in FUNCTIONS:
        assert pickle.loads(pickle.dumps(FUNCTIONS[name])) is FUNCTIONS[name]  # noqa: S301
    method = pickle.loads(pickle.dumps(SERVERS.optimum))  # noqa: S301
    assert method(2.0).mean_delay == SERVERS.optimum(2.0).mean_delay
    assert copy.copy(SERVERS).tolls(2.0).mean_delay == pytest.approx(
        SERVERS.optimum(2.0).mean_delay, rel=1e-9
    )


class OwnOptions(SolveOptions, total=False):
    """Options of a kind of system that a user writes.

    Parameters
    ----------
    patience : float
        Longest wait.
    """

    patience: float


class OwnSystem(System):
    """A kind of system that a user writes."""

    def best(self, load: float, **options: Unpack[OwnOptions]) -> dict:
        """Return the options."""
        return {"load": load, **options}

    def named(self, solver="SCS", **options: Unpack[SolveOptions]) -> dict:
        """Return the options, one of which is a parameter of its own."""
        return {"solver": solver, **options}

    def anything(self, **options):
        """Return any options."""
        return options


def test_a_system_of_a_user_shows_its_own_options():
    shown = inspect.signature(OwnSystem.best).parameters
    assert list(shown) == ["self", "load", "solver", "solver_options", "gap", "throw", "patience"]
    assert shown["patience"].default is ...
    assert "patience : float\n    Longest wait." in inspect.getdoc(OwnSystem.best)
    assert OwnSystem().best(1.0, patience=2.0) == {"load": 1.0, "patience": 2.0}
    named = inspect.signature(OwnSystem.named).parameters
    assert list(named) == ["self", "solver", "solver_options", "gap", "throw"]
    assert named["solver"].default == "SCS"
    assert list(inspect.signature(OwnSystem.anything).parameters) == ["self", "options"]
    assert OwnSystem().anything(a=1) == {"a": 1}


def test_annotations_may_be_types_and_docstrings_missing():
    def bare(**options):
        return options

    bare.__annotations__ = {"options": Unpack[TypedDict("Local", {"width": int})]}
    assert show_options(bare) is bare
    assert list(inspect.signature(bare).parameters) == ["width"]
    assert bare.__doc__ is None
    assert show_options(register) is register
    assert not hasattr(register, "__signature__")
