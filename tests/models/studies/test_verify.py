"""Verification: it passes where models and reference agree, and reports where they differ."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from sojourn.models import MM1, LoadError, ParallelServers
from sojourn.models.frontend.loader import load_scenario, names
from sojourn.models.studies.verify import verify
from sojourn.models.studies.verify import verify as run_verify
from sojourn.reference.parallel import optimum_equilibrium as exact
from sojourn.reference.parallel.thresholds import Thresholds

SYSTEM = ParallelServers(
    MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), names=["edge 1", "edge 2", "cloud"]
)


def printed(found, title="models against reference"):
    console = Console(width=160, color_system=None)
    with console.capture() as capture:
        console.print(found.table(title))
    return capture.get()


KINDS = ("scenario-1", "dual-a", "braess")  # the recorded outputs of tests/golden have all of them


@pytest.mark.parametrize(
    "name",
    [n if n in KINDS else pytest.param(n, marks=pytest.mark.exhaustive) for n in names()],
)
def test_built_in_scenarios_pass(name):
    system = load_scenario(name).system
    most = system.max_load if np.isfinite(system.max_load) else system.load
    found = verify(system, [0.1 * most, 0.9 * most])
    assert found.passed, printed(found)


def test_every_quantity_is_compared_at_every_load():
    found = verify(SYSTEM, [38.0, 190.0])
    by_load = {load: [c.quantity for c in found.checks if c.load == load] for load in (38.0, 190.0)}
    for quantities in by_load.values():
        assert [q.split(" (")[0] for q in quantities] == [
            "optimum mean delay", "optimum multiplier", "optimum flow",
            "equilibrium mean delay", "equilibrium multiplier", "equilibrium flow",
            "price of anarchy",
        ]  # fmt: skip
    assert {c.quantity for c in found.checks if "threshold" in c.quantity} == {
        f"{goal} threshold ({name})"
        for goal in ("optimum", "equilibrium")
        for name in ("edge 2", "cloud")
    }
    assert all(c.difference <= 1e-8 for c in found.checks)
    assert "DIFFERS" not in printed(found)
    assert printed(found).count(" ok") == len(found.checks)


def test_one_load_is_enough():
    assert verify(SYSTEM, 190.0).passed
    with pytest.raises(LoadError, match="not below the total rate 380"):
        verify(SYSTEM, [190.0, 380.0])


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
@pytest.mark.parametrize("field", ["mean_delay", "multiplier", "flow"])
def test_wrong_reference_is_reported(goal, field, monkeypatch):
    original = getattr(exact, goal)

    def wrong(servers, load):
        split = original(servers, load)
        # a relative error of 1e-7 is ten times the tolerance
        return replace(split, **{field: getattr(split, field) * (1 + 1e-7)})

    monkeypatch.setattr(exact, goal, wrong)
    found = verify(SYSTEM, [190.0])
    assert not found.passed
    differ = {c.quantity.split(" (")[0] for c in found.checks if not c.passed}
    name = f"{goal} {field.replace('_', ' ')}"
    # the price of anarchy is a ratio of mean delays
    assert differ == {name} | ({"price of anarchy"} if field == "mean_delay" else set())
    text = printed(found)
    assert text.count("DIFFERS") == len(differ)
    assert all("DIFFERS" in line for line in text.splitlines() if name in line)


@pytest.mark.parametrize("factor", [0.999, 1.001])
def test_wrong_threshold_is_reported(factor, monkeypatch):
    original = SYSTEM.thresholds()
    monkeypatch.setattr(
        ParallelServers,
        "thresholds",
        lambda _: Thresholds(original.optimum * [1, factor, 1], original.equilibrium),
    )
    found = run_verify(SYSTEM, [190.0])
    assert [c.quantity for c in found.checks if not c.passed] == ["optimum threshold (edge 2)"]


def test_a_difference_beyond_the_certificate_fails(monkeypatch):
    """A difference below 1e-8 fails where it exceeds the certified gap."""
    original = exact.optimum

    def wrong(servers, load):
        split = original(servers, load)
        return replace(split, mean_delay=split.mean_delay * (1 + 5e-9))

    monkeypatch.setattr(exact, "optimum", wrong)
    failed = [c for c in verify(SYSTEM, [190.0]).checks if not c.passed]
    assert "optimum mean delay" in [c.quantity for c in failed]
    assert all(1e-9 < c.difference < 1e-8 for c in failed)
    assert all(c.certificate < c.difference for c in failed)


def test_options_are_passed_on():
    with pytest.raises(TypeError, match="did you mean solver"):
        verify(SYSTEM, [190.0], solvr="SCS")
    assert verify(SYSTEM, [190.0], solver="SCS").passed


def test_name_with_brackets_is_printed_as_it_is():
    system = ParallelServers(MM1([10.0, 5.0], [0.0, 0.2]), names=["rack[/b]", "[red]"])
    text = printed(verify(system, [9.0]))
    assert "threshold ([red])" in text
    assert np.all([c.passed for c in verify(system, [9.0]).checks])


def test_servers_of_one_threshold_are_one_check():
    found = verify(ParallelServers(MM1([10.0, 2.0, 2.0, 2.0], [0.0, 0.1, 0.1, 0.2])), [12.0])
    named = [c.quantity for c in found.checks if "threshold" in c.quantity]
    assert named == [
        "optimum threshold (server 2 and 1 more)", "optimum threshold (server 4)",
        "equilibrium threshold (server 2 and 1 more)", "equilibrium threshold (server 4)",
    ]  # fmt: skip
    assert found.passed
