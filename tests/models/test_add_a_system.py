"""The kind of system of the guide *Add a system*: one file outside the library.

It has every feature of a built-in kind, and no file of the library is edited.
"""

import json
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread
from replaced_solvers import lose_answers

from sojourn.models import (
    MM1,
    Constant,
    InputError,
    NotCertifiedError,
    ParallelServers,
    study,
    verify,
)
from sojourn.models.core import parametric
from sojourn.models.core import solve as engine
from sojourn.models.frontend import kinds
from sojourn.models.frontend.loader import parse

GUIDE = Path(__file__).parents[2] / "notebooks" / "add_a_system.ipynb"
GOALS = ("optimum", "equilibrium")
OWN = """
title = "To join"
[units]
rate = "1/min"
delay = "s"
[loads]
at = 4.8
curve = [1, 4, 6]
[joining]
rate = 5
worth = 120
"""


@pytest.fixture(scope="module")
def source():
    """Return the text of the file that the guide writes."""
    (cell,) = [
        c for c in nbformat.read(GUIDE, as_version=4).cells if c.source.startswith("%%writefile")
    ]
    return cell.source.partition("\n")[2] + "\n"


@pytest.fixture
def joining(package, source):
    """The file as the module of an installed package, with its entry point not yet loaded."""
    package("sojourn.systems", source, "joining = other_package:KIND\n")
    kinds.kind_named("joining")
    return sys.modules["other_package"]


def truth(queue, load, goal):
    """Return the joining rate and the mean loss in closed form."""
    free = queue.rate - (
        np.sqrt(queue.rate / queue.worth) if goal == "optimum" else 1 / queue.worth
    )
    x = min(max(free, 0.0), load)
    return x, (x / (queue.rate - x) + queue.worth * (load - x)) / load


def test_it_is_short(source):
    assert source.count("\n") <= 120


@pytest.mark.parametrize("solver", [None, "SCS"])
def test_answers_are_those_of_the_closed_form_within_their_certificates(joining, solver):
    rng = np.random.default_rng(3)
    for _ in range(25):
        queue = joining.JoiningQueue(10 ** rng.uniform(-2, 2), 1.0)
        queue.worth = 10 ** rng.uniform(-1, 3) / queue.rate
        load = queue.rate * 10 ** rng.uniform(-9, 3)
        for goal in GOALS:
            found, (x, loss) = getattr(queue, goal)(load, solver=solver), truth(queue, load, goal)
            assert found.certified
            assert found.joining == pytest.approx(x, rel=1e-9, abs=1e-9 * queue.rate)
            assert abs(found.mean_delay - loss) <= (found.certificate.gap + 1e-15) * loss
            assert found.certificate.lower_bound <= loss * (1 + 1e-15)


def test_it_is_a_server_beside_one_that_takes_as_long_as_it_is_worth(joining):
    queue, servers = joining.JoiningQueue(5.0, 2.0), ParallelServers(MM1([5.0]), Constant([2.0]))
    for load in (3.0, 4.8, 20.0):
        for goal in GOALS:
            assert getattr(queue, goal)(load).mean_delay == pytest.approx(
                getattr(servers, goal)(load).mean_delay, rel=1e-9
            )
        assert queue.price_of_anarchy(load) == pytest.approx(
            servers.price_of_anarchy(load), rel=1e-9
        )


def test_solvers_options_and_errors_are_those_of_any_question(joining, monkeypatch):
    queue = joining.JoiningQueue(5.0, 2.0)
    with pytest.raises(
        TypeError,
        match=r"^optimum\(\) got an unexpected keyword argument 'solvr'; did you mean solver\?",
    ):
        queue.optimum(1.0, solvr="SCS")
    with pytest.raises(
        InputError, match=r"^solver_options\['tol_gapp_abs'\].*did you mean tol_gap_abs\?"
    ):
        queue.curve([1.0], solver_options={"tol_gapp_abs": 1.0})
    with pytest.raises(
        InputError,
        match=r"^solver = 'OSQP': does not take the cone SOC that the optimum needs; use CLARABEL",
    ):
        queue.optimum(1.0, solver="OSQP")
    with pytest.raises(InputError, match=r"^load = -1\.0: there are no jobs to serve"):
        queue.optimum(-1.0)
    with pytest.raises(
        NotCertifiedError,
        match=r"^no certified optimum at load 1, gap 1\.0e-20 wanted\. Tried CLARABEL",
    ):
        queue.optimum(1.0, gap=1e-20)
    lose_answers(monkeypatch, "CLARABEL")
    found = queue.optimum(4.8)
    assert found.certified
    assert found.attempts[0].solver == "CLARABEL" != found.solver


def test_its_curve_compiles_once_a_question(joining, monkeypatch):
    honest, made = parametric.Compiled.__init__, []

    def counted(self, *given):
        made.append(given)
        honest(self, *given)

    monkeypatch.setattr(parametric.Compiled, "__init__", counted)
    queue, loads = joining.JoiningQueue(5.0, 2.0, "min"), np.linspace(0.1, 9.0, 50)
    data = queue.curve(loads)
    assert len(made) == 2
    for goal in GOALS:
        assert data[f"{goal}_certified"].all()
        np.testing.assert_allclose(
            data[f"{goal}_delay"], [truth(queue, load, goal)[1] for load in loads], rtol=1e-12
        )
    assert data["optimum_delay"].attrs["units"] == "min"
    assert bool(queue.curve([1.0, 6.0], refine=True)["added"].any())


def test_it_is_verified_and_studied(joining):
    queues = [joining.JoiningQueue(5.0, worth) for worth in (0.3, 2.0)]
    found = verify(queues[1], [0.1, 4.8, 50.0])
    assert found.passed
    assert len(found.checks) == 6
    data = study(queues, [1.0, 4.8])
    assert data["optimum_certified"].all()
    assert data["price_of_anarchy"].values[1, 1] == pytest.approx(
        queues[1].price_of_anarchy(4.8), rel=1e-12
    )


def test_a_study_of_it_is_resumed(joining, tmp_path, monkeypatch):
    """Its questions certify no stored answers: one system of each chunk is solved again."""
    asked, honest = [], engine.Task._best

    def best(self, *given, **options):
        asked.append(self.question.worth)
        return honest(self, *given, **options)

    monkeypatch.setattr(engine.Task, "_best", best)

    def studied(*worth, **options):
        return study([joining.JoiningQueue(5.0, w) for w in worth], [1.0, 4.8], chunk=2, **options)

    before = studied(0.3, 2.0, 1.0, 3.0, out=tmp_path / "out")
    asked.clear()
    xr.testing.assert_identical(studied(0.3, 2.0, 1.0, 3.0, out=tmp_path / "out"), before)
    assert set(asked) == {0.3, 1.0}
    with pytest.warns(
        UserWarning, match=r"are solved again: 2 whose optimum_delay differs today \(chunk 1\)$"
    ):
        now = studied(0.3, 2.0, 1.1, 3.0, out=tmp_path / "out")
    xr.testing.assert_identical(now, studied(0.3, 2.0, 1.1, 3.0))


@pytest.mark.usefixtures("joining")
def test_a_file_describes_it_and_the_command_reports_it(sojourn, tmp_path):
    assert parse(OWN, "own").system.worth == 2.0
    path, out = tmp_path / "own.toml", tmp_path / "out"
    path.write_text(OWN)
    status, said, err = sojourn("run", path, "--out", out)
    assert (status, err) == (0, "")
    assert "joining 3.41886117, mean_delay 61.5569415" in said
    assert "price of anarchy\n1.94941459" in said
    told = json.loads((out / "result.json").read_text())
    assert told["equilibrium"]["mean_delay"] == pytest.approx(120.0, rel=1e-12)
    assert told["equilibrium"]["certified"]
    with xr.open_dataset(out / "curve.nc", engine="scipy") as data:
        assert float(data["equilibrium_delay"].max()) == pytest.approx(120.0)
        assert data["equilibrium_delay"].attrs["units"] == "s"
    assert imread(out / "curve.png").std() > 0.05
    assert sojourn("verify", path)[0] == 0
    path.write_text(OWN.replace("worth = 120", "worth = 0"))
    status, _, err = sojourn("run", path)
    assert status == 2
    assert err.startswith("error: joining.worth = 0")
