"""Random systems for Hypothesis: mixed families, ties and zero delays included."""

import numpy as np
from hypothesis import strategies as st

from sojourn.reference import MD1, MG1, MM1, MixedBank

decades = st.floats(0, 3).map(lambda e: 10.0**e)
delays = st.one_of(
    st.just(0.0), st.sampled_from([0.01, 0.1]), st.floats(-3, 0).map(lambda e: 10.0**e)
)
variations = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 10))


@st.composite
def banks(draw):
    n = draw(st.integers(1, 4))
    rate = draw(
        st.one_of(st.lists(decades, min_size=n, max_size=n), decades.map(lambda r: [r] * n))
    )
    delay = draw(st.lists(delays, min_size=n, max_size=n))
    family = draw(st.sampled_from([MM1, MD1, MG1]))
    if family is MG1:
        return MG1(rate, draw(st.lists(variations, min_size=n, max_size=n)), delay)
    return family(rate, delay)


systems = st.lists(banks(), min_size=1, max_size=3).map(MixedBank)
parts = st.one_of(st.floats(0.001, 0.999), st.floats(-9, -1).map(lambda e: 1 - 10.0**e))
slacks = st.floats(-10, -1).map(lambda e: 10.0**e)


def load_at(system, part):
    """Draw a load strictly below the total rate."""
    total = float(np.sum(system.rate))
    return min(part * total, float(np.nextafter(total, 0)))
