"""The standard set: its size, what it covers, and its digest."""

from collections import Counter

import numpy as np
import pytest

from sojourn.models.benchmarks.solvers import problems
from sojourn.models.benchmarks.solvers.instances import keys
from sojourn.models.benchmarks.solvers.programs import standard_set
from sojourn.models.benchmarks.solvers.programs.standard_set import STANDARD_SET, digest_of

EVERY = standard_set.candidates()


def test_the_set_has_about_200_instances_of_all_kinds():
    chosen = STANDARD_SET.keys
    assert 150 <= len(chosen) <= 250
    assert len({*chosen}) == len(chosen)
    assert len({key.name for key in chosen}) == len(chosen)
    assert {*chosen} <= {*EVERY}
    for field in ("problem", "formulation", "load"):
        assert {getattr(key, field) for key in chosen} == {getattr(key, field) for key in EVERY}


def test_systems_and_loads_of_a_formulation_come_in_turn():
    for group in standard_set._rows():
        own = [key for key in STANDARD_SET.keys if key[:2] == group[0][:2]]
        systems = {key.axes for key in group}
        assert len({key.axes for key in own}) == min(len(own), len(systems)), own
        left_out = {key.axes for key in EVERY if key.problem == own[0].problem} - systems
        loads = min(len(own), len(standard_set.LOADS)) - bool(left_out)
        assert len({key.load for key in own}) >= loads, own


def test_formulations_of_a_problem_share_systems_and_loads():
    for problem in problems.PROBLEMS:
        systems = {}
        for key in STANDARD_SET.keys:
            if key.problem == problem.name:
                systems.setdefault(key.formulation, set()).add((key.axes, key.load))
        everywhere = set.intersection(*systems.values())
        assert len(everywhere) >= 0.6 * max(map(len, systems.values())), systems


def test_loads_have_equal_parts_and_are_paired_with_different_systems():
    chosen = STANDARD_SET.keys
    counts = Counter(key.load for key in chosen)
    assert max(counts.values()) <= 1.5 * min(counts.values())
    largest = [key for key in chosen if key.n == max(k.n for k in chosen)]
    assert len({key.load for key in largest}) == len(standard_set.LOADS)


def test_the_digest_is_that_of_the_version():
    """After an intended change of problems: ``python -m`` of the module renews the digest."""
    assert STANDARD_SET.digest == STANDARD_SET.pinned


def test_the_digest_is_that_of_keys_and_numbers():
    some = keys(["mm1-optimum"], [3], [0.5, 0.6])
    whole = digest_of(some)
    assert whole == digest_of(some)
    assert whole != digest_of(some[:1])
    assert whole != digest_of(some[::-1])
    for change in ({"load": 0.51}, {"seed": 1}, {"delay_spread": 4.0}, {"formulation": "x"}):
        assert digest_of([some[0]._replace(**change), *some[1:]]) != whole


def test_numbers_are_taken_to_nine_digits_and_parts_without_numbers_refused():
    def texts(value):
        return [*standard_set._texts(value)]

    numbers = np.random.default_rng(0).uniform(1, 100, 1000)
    assert texts(numbers) == texts(np.nextafter(numbers, 200))
    assert texts(numbers) != texts(numbers * (1 + 1e-7))
    assert texts({"a": (1, None, "b")}) == texts({"a": [1.0, None, "b"]})
    assert texts(frozenset("abc")) == texts(frozenset("cba"))
    assert texts(np.zeros((2, 3))) != texts(np.zeros((3, 2)))
    with pytest.raises(TypeError, match="function has no numbers"):
        texts({"a": texts})


def test_the_set_follows_the_registry(monkeypatch):
    fewer = problems.PROBLEMS[:2]
    monkeypatch.setattr(problems, "PROBLEMS", fewer)
    chosen = standard_set.StandardSet().keys
    assert {key.problem for key in chosen} == {problem.name for problem in fewer}
    assert len(chosen) == len({*chosen})


def test_one_command_renews_the_digest(monkeypatch, tmp_path):
    copy = tmp_path / "standard_set.py"
    with open(standard_set.__file__, encoding="utf-8") as file:
        text = file.read()
    copy.write_text(text.replace(f'DIGEST = "{standard_set.DIGEST}"', 'DIGEST = "old"'))
    monkeypatch.setattr(standard_set, "__file__", str(copy))
    assert standard_set.renew() == STANDARD_SET.digest
    assert f'DIGEST = "{STANDARD_SET.digest}"' in copy.read_text()
