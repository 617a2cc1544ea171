"""Banks of infinite rate whose latency is a polynomial of the flow,
as in the literature's bounds."""

import numpy as np

from sojourn.reference import ServerBank


class Polynomial(ServerBank):
    """l(x) = start + factor x^power, increasing and convex for power >= 1."""

    def __init__(self, start, factor, power=1.0):
        self.start, self.factor, self.power = (
            np.array(a, dtype=float) for a in np.broadcast_arrays(start, factor, power)
        )
        self.rate, self.delay = np.full(self.start.shape, np.inf), np.zeros(self.start.shape)

    @property
    def service(self):
        return self.start

    def latency(self, flow, spare_capacity=None):
        return self.start + self.factor * np.asarray(flow) ** self.power

    def marginal(self, flow, spare_capacity=None):
        return self.start + (self.power + 1) * self.factor * np.asarray(flow) ** self.power

    def potential(self, flow):
        return self.start * flow + self.factor * flow ** (self.power + 1) / (self.power + 1)

    def latency_slope(self, flow):
        return self.power * self.factor * np.asarray(flow) ** (self.power - 1)

    def marginal_slope(self, flow):
        return (self.power + 1) * self.latency_slope(flow)

    def inverse_latency(self, latency):
        return (np.maximum(latency - self.start, 0.0) / self.factor) ** (1 / self.power)

    def inverse_marginal(self, marginal):
        return (np.maximum(marginal - self.start, 0.0) / self.factor / (self.power + 1)) ** (
            1 / self.power
        )

    def take(self, index):
        return Polynomial(self.start[index], self.factor[index], self.power[index])


class Plain(ServerBank):
    """M/M/1 with the required members of a family alone: no k, no operating points."""

    def __init__(self, rate, delay=0.0):
        self.rate, self.delay = (np.array(a, dtype=float) for a in np.broadcast_arrays(rate, delay))

    @property
    def service(self):
        return 1 / self.rate

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1 / (self.rate - flow if spare_capacity is None else spare_capacity)

    def marginal(self, flow, spare_capacity=None):
        return (
            self.delay
            + self.rate / (self.rate - flow if spare_capacity is None else spare_capacity) ** 2
        )

    def potential(self, flow):
        return self.delay * flow - np.log1p(-flow / self.rate)

    def inverse_latency(self, latency):
        beyond = np.maximum(
            latency - self.delay, 1 / self.rate
        )  # an idle server's latency and less: no flow
        return np.maximum(self.rate - 1 / beyond, 0.0)

    def take(self, index):
        return Plain(self.rate[index], self.delay[index])
