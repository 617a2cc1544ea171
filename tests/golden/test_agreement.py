"""The comparison with a record finds changes: most cases change one field of a real record."""

import copy
import json
import math
from pathlib import Path

import pytest
from golden.agreement import differences, masked, merged

HERE = Path(__file__).parent
NAMES = ("run-scenario-1", "verify-dual-a", "anarchy-scenario-1")
RECORDS = {name: json.loads((HERE / f"{name}.json").read_text()) for name in NAMES}


def changed(record, path, change):
    """Return a copy of a record with one field changed, and the path of that field."""
    keys = [int(key) if key.isdigit() else key for key in path.split(".")]
    fresh = at = copy.deepcopy(RECORDS[record])
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = change(at[keys[-1]])
    return fresh, tuple(keys)


def grown(by):
    return lambda value: value * (1 + by)


def new(value):
    return lambda _: value


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_agrees_with_itself(record):
    assert differences(RECORDS[record], RECORDS[record]) == []


@pytest.mark.parametrize(("record", "path", "change"), [
    ("run-scenario-1", "optimum.mean_delay", grown(1e-10)),
    ("run-scenario-1", "optimum.multiplier", grown(-1e-10)),
    ("run-scenario-1", "equilibrium.servers.2.flow", grown(1e-10)),
    ("run-scenario-1", "equilibrium.servers.1.share", grown(1e-10)),
    ("run-scenario-1", "equilibrium.servers.0.latency", grown(1e-10)),
    ("run-scenario-1", "thresholds.optimum.1", grown(1e-10)),
    ("run-scenario-1", "thresholds.optimum.0", new(1e-10)),
    ("run-scenario-1", "price_of_anarchy", grown(1e-10)),
    ("run-scenario-1", "price_of_anarchy", new(math.nan)),
    ("run-scenario-1", "price_of_anarchy_lower", grown(1e-13)),  # above the value
    ("run-scenario-1", "price_of_anarchy_upper", grown(1e-11)),  # too loose
    ("run-scenario-1", "optimum.certificate.lower_bound", grown(1e-14)),
    ("run-scenario-1", "optimum.certificate.upper_bound", grown(-1e-14)),
    ("run-scenario-1", "optimum.certificate.upper_bound", new(math.inf)),
    ("run-scenario-1", "optimum.certificate.gap", new(2e-12)),
    ("run-scenario-1", "optimum.certificate.gap", new(-1e-16)),
    ("run-scenario-1", "optimum.certificate.gap", new(None)),
    ("run-scenario-1", "equilibrium.certificate.deviation_gain", new(2e-12)),
    ("run-scenario-1", "optimum.attempts.0.gap", new(2e-12)),
    ("run-scenario-1", "optimum.certified", new(False)),
    ("run-scenario-1", "optimum.certified", new(1)),
    ("run-scenario-1", "optimum.solver", new("ECOS")),
    ("run-scenario-1", "optimum.attempts.0.solver", new("SCS")),
    ("run-scenario-1", "equilibrium.formulation", new("minmax")),
    ("run-scenario-1", "equilibrium.status", new("optimal_inaccurate")),
    ("run-scenario-1", "optimum.attempts", lambda attempts: [*attempts, *attempts]),
    ("run-scenario-1", "equilibrium.servers", lambda servers: servers[:2]),
    ("run-scenario-1", "equilibrium.servers.0.name", new("edge 2")),
    ("run-scenario-1", "equilibrium.servers.0.replicas", new(2)),
    ("run-scenario-1", "units.delay", new("s")),
    ("run-scenario-1", "optimum.timing.solve", new(None)),
    ("run-scenario-1", "variants", new({})),
    ("anarchy-scenario-1", "worst_case.poa", grown(1e-10)),
    ("anarchy-scenario-1", "worst_case.load", grown(1e-10)),
    ("anarchy-scenario-1", "worst_case.upper_bound", grown(1e-10)),
    ("anarchy-scenario-1", "worst_case.upper_bound", grown(-1e-11)),
    ("anarchy-scenario-1", "players.1.delay", grown(1e-10)),
    ("anarchy-scenario-1", "control.4.scale", grown(1e-10)),
    ("anarchy-scenario-1", "servers.0.toll", grown(1e-10)),
    ("anarchy-scenario-1", "servers.0.optimum_per_rate", grown(1e-10)),
    ("verify-dual-a", "checks.4.model", grown(1e-11)),  # a lower bound above the value
    ("verify-dual-a", "checks.4.difference", new(1e-10)),
    ("verify-dual-a", "checks.4.certificate", new(1e-10)),
    ("verify-dual-a", "checks.3.model", grown(1e-10)),
    ("verify-dual-a", "checks.3.quantity", new("delay")),
])  # fmt: skip
def test_a_changed_field_is_found(record, path, change):
    fresh, keys = changed(record, path, change)
    assert keys in [found.path for found in differences(RECORDS[record], fresh)]


@pytest.mark.parametrize(("record", "path", "change"), [
    ("run-scenario-1", "optimum.mean_delay", grown(1e-12)),
    ("run-scenario-1", "thresholds.optimum.0", new(1e-12)),
    ("run-scenario-1", "price_of_anarchy_upper", grown(1e-14)),
    ("run-scenario-1", "optimum.certificate.gap", new(0.0)),
    ("run-scenario-1", "optimum.certificate.gap", new(5e-13)),
    ("verify-dual-a", "checks.4.model", grown(-1e-11)),  # a lower bound, twice as loose
    # one more job at an activation load has another derivative than one less
    ("anarchy-scenario-1", "servers.2.equilibrium_per_delay", new(0.2)),
])  # fmt: skip
def test_what_is_rounding_is_not_a_difference(record, path, change):
    assert differences(RECORDS[record], changed(record, path, change)[0]) == []


def test_a_bound_is_compared_with_the_fresh_value():
    """Value and bound may move together, also where the new bound excludes the old value."""
    fresh = copy.deepcopy(RECORDS["run-scenario-1"])
    for record in (fresh["optimum"], fresh["optimum"]["certificate"]):
        for name in {"mean_delay", "lower_bound", "upper_bound"} & set(record):
            record[name] *= 1 + 1e-12
    assert differences(RECORDS["run-scenario-1"], fresh) == []


def test_every_key_is_needed_and_more_are_allowed():
    """A field that is left out anywhere in a record is found."""
    kept = RECORDS["run-scenario-1"]

    def places(node, path=()):
        if isinstance(node, dict):
            yield from ((*path, key) for key in node)
        children = enumerate(node) if isinstance(node, list) else node.items()
        for key, child in children:
            if isinstance(child, dict | list):
                yield from places(child, (*path, key))

    found = list(places(kept))
    assert len(found) > 100
    for path in found:
        fresh = copy.deepcopy(kept)
        at = fresh
        for key in path[:-1]:
            at = at[key]
        at["another key"] = at.pop(path[-1])
        assert [difference.path for difference in differences(kept, fresh)] == [path]
        at[path[-1]] = at["another key"]
        assert differences(kept, fresh) == []


def test_a_flow_of_a_nearly_idle_server_is_compared_with_the_load():
    def split(more):
        share = [1e-8 + more, more, 0.99]
        return {"load": 100.0, "flow": [100.0 * part for part in share], "share": share}

    assert differences(split(0.0), split(5e-14)) == []
    assert len(differences(split(0.0), split(2e-13))) == 4


def test_a_large_gap_is_that_of_a_given_split_and_a_number():
    kept = {"certificate": {"gap": 3.2}}
    assert differences(kept, {"certificate": {"gap": 3.2 * (1 + 1e-12)}}) == []
    assert differences(kept, {"certificate": {"gap": 3.2 * (1 + 1e-10)}})
    assert differences(kept, {"certificate": {"gap": 0.0}})


def test_the_server_that_a_check_of_flows_names_is_rounding():
    numbers = {"load": 38.0, "model": 1.0, "reference": 1.0, "difference": 0.0}
    kept = {"quantity": "optimum flow (cloud)", **numbers}
    other = {**kept, "quantity": "optimum flow (edge)", "model": 9.0, "reference": 9.0}
    assert differences(kept, other) == []
    assert differences(kept, {**other, "difference": 1e-11})
    assert differences(kept, {**other, "quantity": "equilibrium flow (edge)"})
    assert differences(kept, {**kept, "model": 1 + 1e-10})


def test_times_and_counts_of_steps_are_masked():
    one = {"timing": {"solve": 0.1}, "polished": 2, "attempts": [{"seconds": 0.2}], "load": 3}
    two = {"timing": {"solve": 0.3}, "polished": 3, "attempts": [{"seconds": 0.1}], "load": 3}
    assert masked(one) == masked(two)
    assert masked(one) != masked({**two, "load": 4})


def test_recording_anew_keeps_the_digits_that_agree():
    kept = {"a": 1.0, "b": [1.0, 2.0], "old": 1, "c": {"d": "x"}}
    fresh = {"a": 1.0 + 1e-15, "b": [1.0 + 1e-15, 3.0], "new": 2, "c": {"d": "y"}}
    changed = {difference.path for difference in differences(kept, fresh)}
    assert changed == {("b", 1), ("old",), ("c", "d")}
    assert merged(kept, fresh, changed) == {**fresh, "a": 1.0, "b": [1.0, 3.0]}
