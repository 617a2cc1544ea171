"""Random dual-mode systems for Hypothesis and NumPy generators; their delay as printed."""

import numpy as np
from hypothesis import strategies as st

from sojourn.reference.service_modes import Canonical, Modes, capacity

GAP = 1e-4  # modes closer than this cannot be told apart by their delays in floats

rates = st.one_of(st.just(1.0), st.floats(-3, 3).map(lambda e: 10.0**e))
ratios = st.one_of(st.sampled_from([2.0, 4.0]), st.floats(1.01, 100))
any_ratios = st.one_of(st.just(1.0), ratios, ratios.map(lambda k: 1 / k))
fractions = st.one_of(
    st.sampled_from([0.0, 1.0]), st.floats(0, 1), st.floats(-9, -1).map(lambda e: 10.0**e)
)
inner = st.floats(1e-3, 1 - 1e-3)
closed = st.floats(0, 1)
parts = st.one_of(st.floats(1e-3, 0.999), st.floats(-7, -1).map(lambda e: 1 - 10.0**e))


def apart(pair):
    return abs(pair[0] - pair[1]) > GAP


pairs = st.tuples(fractions, fractions).filter(apart).map(sorted)
inner_pairs = st.tuples(inner, inner).filter(apart).map(sorted)


@st.composite
def systems(draw, ratio=ratios, pair=pairs):
    """Draw a system of any two modes."""
    f1, f2 = draw(pair)
    return Canonical(draw(rates), draw(ratio), f1, f2)


@st.composite
def redundant(draw):
    """Draw a system with f1 >= 1/(K+1), equality included."""
    K = draw(ratios)
    balanced = 1 / (K + 1)
    f1 = max(
        balanced,
        balanced + draw(st.one_of(st.just(0.0), st.floats(0, 0.99))) * (1 - balanced),
    )
    return Canonical(draw(rates), K, f1, f1 + (1 - f1) * draw(st.floats(0.01, 1)))


@st.composite
def breaking(draw):
    """Draw a system with f1 < 1/(K+1)."""
    K = draw(ratios)
    f1 = draw(st.one_of(st.just(0.0), st.floats(0, 0.99))) / (K + 1)
    return Canonical(
        draw(rates), K, f1, f1 + (1 - f1) * draw(st.one_of(st.just(1.0), st.floats(0.01, 1)))
    )


@st.composite
def efficient(draw):
    """Draw a system with f1 < 1/(K+1) < f2."""
    K = draw(ratios)
    balanced = 1 / (K + 1)
    return Canonical(
        draw(rates),
        K,
        balanced * draw(st.floats(0, 0.99)),
        balanced + (1 - balanced) * draw(st.floats(0.01, 1)),
    )


@st.composite
def overloading(draw):
    """Draw a system with f2 < 1/(K+1): the cloud is the bottleneck of both modes."""
    K = draw(ratios)
    f2 = draw(st.floats(0.02, 0.99)) / (K + 1)
    return Canonical(draw(rates), K, f2 * draw(st.floats(0, 0.98)), f2)


def load_at(modes, part):
    """Draw a load as a part of the largest load."""
    return part * capacity(modes).max_load


def rounding(part):
    """Return the relative effect of rounded rates on a delay at a part of the largest load."""
    return 1e-14 / (1 - part)


def random_fraction(rng):
    near = 10 ** rng.uniform(-9, -1)
    return float(
        rng.choice([0.0, 1.0, near, 1 - near, rng.uniform(), rng.uniform(), rng.uniform()])
    )


def random_system(rng):
    """Draw K in (1, 100] and parts of the work, some of them near or at 0 and 1."""
    f = sorted((random_fraction(rng), random_fraction(rng)))
    while f[1] - f[0] < GAP:
        f = sorted((random_fraction(rng), random_fraction(rng)))
    return Canonical(10 ** rng.uniform(-2, 2), 1 + 99 * 10 ** rng.uniform(-4, 0), *f)


def random_modes(rng, stages, modes):
    return Modes(10 ** rng.uniform(-1, 1, (stages, modes)))


def random_part(rng):
    return float(
        rng.choice(
            [
                rng.uniform(1e-3, 0.999),
                10 ** rng.uniform(-3, 0) * 0.999,
                1 - 10 ** rng.uniform(-3, -1),
            ]
        )
    )


def printed_delay(modes, load, p, rest=None):
    """Return the delay of Theorem 3, stage by stage, at many p; infinite where a stage is full."""
    rest = 1 - p if rest is None else rest
    with np.errstate(divide="ignore", invalid="ignore"):
        left = [1 - load * (p * a + rest * b) for a, b in modes.time]
        each = [
            (np.sqrt(p * a) + np.sqrt(rest * b)) ** 2 / d
            for (a, b), d in zip(modes.time, left, strict=True)
        ]
    return np.where(np.min(left, axis=0) > 0, np.sum(each, axis=0), np.inf)


def printed_interval(modes, load):
    """Return p_min and p_max of Section V within [0, 1]: 1 - load (p a + (1-p) b) > 0."""
    low, high = 0.0, 1.0
    for a, b in modes.time:
        if a > b:
            high = min(high, (1 / load - b) / (a - b))
        elif b > a:
            low = max(low, 1 - (1 / load - a) / (b - a))
    return low, high
