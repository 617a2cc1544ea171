"""The built-in scenario split-mobilenet has the works of the layers of MobileNetV2."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from sojourn.models import MultiMode
from sojourn.models.frontend.loader import load_scenario
from sojourn.models.systems import service_modes

FILE = Path(service_modes.__file__).parent / "scenarios" / "split-mobilenet.toml"
BLOCKS = (  # Sandler et al. 2018, table 2: expansion, channels, repeats, first stride
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
SIDE, FIRST, LAST, CLASSES = 224, 32, 1280, 1000


def cuts():
    """Return the multiply-adds of the layers before each cut, and the elements that it sends."""
    side = SIDE // 2
    work, sent = [0, 27 * FIRST * side**2], [3 * SIDE**2, FIRST * side**2]
    channels = FIRST
    for expansion, out, repeats, first_stride in BLOCKS:
        for stride in (first_stride, *(1,) * (repeats - 1)):
            wide, smaller = expansion * channels, side // stride
            expand = channels * wide * side**2 if expansion > 1 else 0
            work.append(work[-1] + expand + (9 + out) * wide * smaller**2)
            sent.append(out * smaller**2)
            channels, side = out, smaller
    features = work[-1] + channels * LAST * side**2
    work += [features, features, features + LAST * CLASSES]
    sent += [LAST * side**2, LAST, 0]  # the answer of the device is not sent
    return np.array(work), np.array(sent)


def test_multiply_adds_and_activations():
    """Totals and cuts of the public tables: 0.30 G multiply-adds."""
    work, sent = cuts()
    assert work.size == 22
    assert work[-1] == 300_774_272
    assert work[[2, 3, 5, 8]].tolist() == [20_873_216, 50_075_648, 91_282_688, 120_823_808]
    assert sent[[0, 2, 3, 5, 8]].tolist() == [150_528, 200_704, 75_264, 25_088, 12_544]
    assert (work[15], sent[15]) == (225_468_992, 7_840)


def test_works_of_the_file_are_those_of_the_layers():
    given = tomllib.loads(FILE.read_text(encoding="utf-8"))
    stages = [stage["name"] for stage in given["stages"]]
    found = np.array([[mode["work"].get(stage, 0) for stage in stages] for mode in given["modes"]])
    work, sent = cuts()
    np.testing.assert_array_equal(found.T, [2 * work, 8 * sent, 2 * (work[-1] - work)])
    assert [stage["speed"] for stage in given["stages"]] == [8e9, 20e6, 200e9]


def test_system_of_the_scenario():
    """At no load block 4 is the best cut; the mix carries 23 % more than any one cut."""
    scenario = load_scenario("split-mobilenet")
    system = scenario.system
    assert isinstance(system, MultiMode)
    assert system.stages == ("device", "uplink", "cloud")
    time = 1e3 * system.rates.time.sum(axis=0)
    assert system.modes[int(np.argmin(time))] == "after block 4"
    assert time.min() == pytest.approx(34.950787840, rel=1e-11)
    assert time[[0, -1]].round(1).tolist() == [63.2, 75.2]
    assert (1 / system.rates.time.max(axis=0)).max() == pytest.approx(43.8199190629, rel=1e-11)
    assert system.max_load == pytest.approx(54.1007252654, rel=1e-11)
