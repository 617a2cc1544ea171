"""Options that do not fit or fit one goal, and what of them is in JSON."""

import json

import pytest
from replaced_solvers import lose_answers
from typer.testing import CliRunner

from sojourn.models import MM1, InputError, ParallelServers
from sojourn.models.commands import app
from sojourn.models.core.solver_specs import SOLVERS


def test_options_that_make_no_sense_are_named():
    system = ParallelServers(MM1([10.0, 5.0]))
    with pytest.raises(InputError, match="names = 3: is not a list of 2 names"):
        ParallelServers(MM1([1.0, 2.0]), names=3)
    with pytest.raises(InputError, match="gap = 'x': is not made of numbers"):
        system.optimum(6.0, gap="x")
    with pytest.raises(InputError, match=r"gap = -1\.0: is not a finite number above 0"):
        system.optimum(6.0, gap=-1.0)
    with pytest.raises(
        InputError, match="goal = 'foo': is not something to solve for; use optimum or equilibrium"
    ):
        system.model("foo", 6.0)
    with pytest.raises(
        TypeError,
        match=r"optimum\(\) got an unexpected keyword argument 'solvr'; did you mean solver\?",
    ):
        system.optimum(6.0, solvr="SCS")


def test_a_formulation_goes_to_the_goal_that_it_writes():
    system = ParallelServers(MM1([10.0, 5.0], [0.0, 0.3]))
    data = system.curve([6.0, 9.0], formulation="minmax")
    assert data["optimum_certified"].all()
    assert data["equilibrium_certified"].all()


def test_infinite_gaps_of_failed_attempts_are_null_in_json(monkeypatch):
    lose_answers(monkeypatch, "CLARABEL")
    record = ParallelServers(MM1([10.0, 5.0])).optimum(6.0).to_dict()
    assert record["attempts"][0]["gap"] is None
    json.dumps(record, allow_nan=False)


def test_texts_that_list_solvers_are_those_of_the_records():
    names = [spec.name for spec in SOLVERS if spec.default]
    text = " ".join(ParallelServers.optimum.__doc__.upper().split())
    *before, last = names
    assert (
        f"{', '.join(before)} AND {last} THAT SUPPORT THE PROBLEM ARE TRIED IN THIS ORDER" in text
    )
    help_of_run = CliRunner().invoke(app, ["run", "--help"]).output
    assert f"by default {', '.join(names)}, in this order" in " ".join(
        help_of_run.replace("│", " ").split()
    )
