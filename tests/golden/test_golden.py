"""Recorded outputs stay: numbers to 1e-11, certificates valid and as tight, texts equal.

After an intended change `pytest tests/golden --record` writes the outputs that differ.
"""

import json
from pathlib import Path

import pytest
from golden.agreement import differences, masked, merged
from golden.outputs import OUTPUTS, SCENARIOS, command

HERE = Path(__file__).parent
SLOW = [name for name in OUTPUTS if name.startswith("anarchy")]
QUICK = [name for name in OUTPUTS if name not in SLOW]


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)])
def test_output_is_the_recorded_one(name, request):
    path, fresh = HERE / f"{name}.json", masked(OUTPUTS[name]())
    record = request.config.getoption("--record", default=False)
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() or not record else None
    found = differences(kept, fresh)
    if record:
        whole = merged(kept, fresh, {difference.path for difference in found})
        path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        assert not found, "\n".join(map(str, ["differs from its record:", *found]))


def test_every_scenario_is_recorded():
    assert tuple(scenario["name"] for scenario in command("list")) == SCENARIOS
    assert {path.stem for path in HERE.glob("*.json")} == set(OUTPUTS)
