"""Banks with numbers of their own in every row give the same answers as one bank at a time."""

import numpy as np
import pytest

from sojourn.models import MM1
from sojourn.models.systems.parallel.certificate import certify_rows, rounding
from sojourn.models.systems.parallel.dual_bounds import supporting_lines
from sojourn.models.systems.parallel.newton import polish_rows
from sojourn.models.systems.parallel.perceived import certify_perceived
from sojourn.models.systems.parallel.polish import polish_and_certify
from sojourn.models.systems.parallel.prices import multiplier
from sojourn.reference import ServerBank
from sojourn.reference.parallel import optimum_equilibrium as exact
from sojourn.reference.server_bank import Operation

GOALS = ("optimum", "equilibrium")
every_goal = pytest.mark.parametrize("goal", GOALS)
K, N = 12, 4


class Grid(ServerBank):
    """K rows of n M/M/1 servers: one flat bank of K n servers, whose numbers are reshaped."""

    def __init__(self, rate, delay):
        self.rate, self.delay = rate, delay

    def __len__(self):
        return self.rate.shape[-1]

    def at(self, rows):
        return Grid(self.rate[rows], self.delay[rows])

    def _flat(self, name, *given):
        flat = MM1(self.rate.ravel(), self.delay.ravel())
        shape = np.broadcast_shapes(self.rate.shape, *(np.shape(a) for a in given))
        given = [np.broadcast_to(a, shape).reshape(-1, self.rate.size) for a in given]
        made = getattr(flat, name)(*given)
        if isinstance(made, Operation):
            return Operation(*(field.reshape(shape) for field in made))
        return made.reshape(shape)

    def latency(self, flow, spare_capacity=None):
        rest = () if spare_capacity is None else (spare_capacity,)
        return self._flat("latency", flow, *rest)

    def marginal(self, flow, spare_capacity=None):
        rest = () if spare_capacity is None else (spare_capacity,)
        return self._flat("marginal", flow, *rest)

    def potential(self, flow):
        return self._flat("potential", flow)

    def latency_slope(self, flow):
        return self._flat("latency_slope", flow)

    def marginal_slope(self, flow):
        return self._flat("marginal_slope", flow)

    def at_latency(self, excess):
        return self._flat("at_latency", excess)

    def at_marginal(self, excess):
        return self._flat("at_marginal", excess)


def systems(parts):
    """Return K systems of n servers, loads at `parts` of their rates, and flows near the truth."""
    rng = np.random.default_rng(8)
    rates, delays = rng.uniform(1.0, 10.0, (K, N)), rng.uniform(0.0, 2.0, (K, N))
    banks = [MM1(rate, delay) for rate, delay in zip(rates, delays, strict=True)]
    return Grid(rates, delays), banks, np.resize(parts, K) * rates.sum(axis=1)


def near(banks, loads, goal, error=1e-7):
    """Return flows near the solutions, shape (K, n), as a solver returns them."""
    rng = np.random.default_rng(9)
    true = [getattr(exact, goal)(bank, load).flow for bank, load in zip(banks, loads, strict=True)]
    return np.clip(np.array(true) + error * loads[:, None] * rng.normal(size=(K, N)), 0.0, None)


def assert_same_rows(together, alone):
    """Check the columns of a table against one table for each row: times and gaps of order 1."""
    for name, column in vars(together).items():
        one_by_one = np.concatenate([getattr(a, name) for a in alone])
        np.testing.assert_allclose(column, one_by_one, rtol=1e-14, atol=1e-14, err_msg=name)


PARTS = {
    "light": [1e-9, 1e-3, 0.02],
    "middle": [0.1, 0.5, 0.9],
    "full": [0.999, 1 - 1e-6, 1 - 1e-9],
}


@every_goal
@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_newton_and_certificates_are_those_of_each_bank(parts, goal):
    grid, banks, loads = systems(parts)
    flow = near(banks, loads, goal)
    together = polish_and_certify(grid, loads, flow, goal, polish=True)
    each = [
        polish_and_certify(bank, loads[k : k + 1], flow[k : k + 1], goal, polish=True)
        for k, bank in enumerate(banks)
    ]
    np.testing.assert_allclose(together.flow, np.concatenate([e.flow for e in each]), rtol=1e-14)
    assert together.steps.tolist() == [int(e.steps[0]) for e in each]
    assert_same_rows(together.certificates, [e.certificates for e in each])
    for function in (multiplier, rounding):
        alone = [function(bank, loads[k], together.flow[k], goal) for k, bank in enumerate(banks)]
        np.testing.assert_allclose(function(grid, loads, together.flow, goal), alone, rtol=1e-14)


@every_goal
def test_certificates_of_poor_flows_are_those_of_each_bank(goal):
    """Far from the solution more multipliers are tried, and the flows are no split of the load."""
    grid, banks, loads = systems([0.3, 0.7, 1 - 1e-9])
    flow = near(banks, loads, goal, error=1e-2)
    together = certify_rows(grid, loads, flow, goal)
    assert (together.gap > 1e-10).sum() > K // 2
    each = [
        certify_rows(bank, loads[k : k + 1], flow[k : k + 1], goal) for k, bank in enumerate(banks)
    ]
    assert_same_rows(together, each)


def test_steps_that_start_again_are_those_of_each_bank():
    """From a flow on the slowest server alone there is no valid start at some loads."""
    grid, banks, loads = systems([0.4, 0.8])
    flow = np.zeros((K, N))
    flow[np.arange(K), np.arange(K) % N] = loads * 10.0
    flow[::3] = near(banks, loads, "optimum")[::3]
    x, steps = polish_rows(grid, loads, flow, "optimum")
    each = [
        polish_rows(bank, loads[k : k + 1], flow[k : k + 1], "optimum")
        for k, bank in enumerate(banks)
    ]
    np.testing.assert_allclose(x, np.concatenate([e[0] for e in each]), rtol=1e-14)
    assert steps.tolist() == [int(e[1][0]) for e in each]
    assert len(set(steps.tolist())) > 2  # rows end at different steps


def test_supporting_lines_are_those_of_each_bank():
    grid, banks, loads = systems([0.2, 0.6, 0.95])
    price = multiplier(grid, loads, near(banks, loads, "optimum"), "optimum")
    value, slope = supporting_lines(grid, loads, price)
    each = [
        supporting_lines(bank, loads[k : k + 1], price[k : k + 1]) for k, bank in enumerate(banks)
    ]
    np.testing.assert_allclose(value, np.concatenate([e[0] for e in each]), rtol=1e-14)
    np.testing.assert_allclose(slope, np.concatenate([e[1] for e in each]), rtol=1e-14)


def test_certificates_of_perceived_latencies_are_those_of_each_bank():
    """Users who pay tolls: the delays that they perceive are longer."""
    grid, banks, loads = systems([0.2, 0.6, 0.95])
    tolls = np.random.default_rng(10).uniform(0.0, 1.0, (K, N))
    tolled = [bank.with_extra_delay(toll) for bank, toll in zip(banks, tolls, strict=True)]
    flow, nothing = near(tolled, loads, "equilibrium", error=0.0), np.zeros(N)
    perceived = Grid(grid.rate, grid.delay + tolls)
    price = multiplier(perceived, loads, flow, "equilibrium")
    together = certify_perceived(grid, perceived, nothing, loads, flow, price, price)
    assert np.all(together.gap < 1e-12)
    each = [
        certify_perceived(
            bank, tolled[k], nothing, *(a[k : k + 1] for a in (loads, flow, price, price))
        )
        for k, bank in enumerate(banks)
    ]
    assert_same_rows(together, each)
