"""Split and rates together: branch and bound on the flows.

header to come
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ...compensated_sum import EPS, exact_sum
from ...errors import Array
from ...mg1 import MG1, MM1
from ..optimum_equilibrium import optimum
from .joint_bound import ROUNDING, Box, Costs, Point, Relaxed, bracket, INNER, OUTER
from .joint_costs import Servers


class Plan(NamedTuple):
    value: float
    flow: Array
    spare: Array


class Goal:
    """Least cost with a price of delay."""

    def __init__(self, weight):
        self.weight = weight

    def start(self, servers):
        return self.weight

    def value(self, money, work):
        return money + self.weight * work

    def bound(self, value, weight):
        return value

    def relaxed(self, servers, box, price, weight):
        return Costs(servers, box, self.weight).relaxed(price)

    def spare(self, servers, flow):
        return servers.spare_at(flow, self.weight)


class Constrained(Goal):
    def relaxed(self, servers, box, price, weight):
        last = [price]

        def point(at):
            w = self.weight_of(at)
            found = Costs(servers, box, w).relaxed(last[0])
            last[0] = found.price
            return Point(at, self.bound(found.value, w), self.slope(found), found)

        left, right = bracket(point, self.weight_of(weight), OUTER)
        best = left if left.value >= right.value else right
        part = 1.0 if left is right else right.slope / (right.slope - left.slope)
        a, b = left.found, right.found
        return Relaxed(
            best.found.price,
            best.found.weight,
            best.found.value,
            b.flow + part * (a.flow - b.flow),
            0.0,
            0.0,
            a.above,
        )

    def weight_of(self, at):
        return at

    def spare(self, servers, flow):
        from scipy.optimize import brentq

        def f(u):
            s = servers.spare_at(flow, math.exp(u))
            return self.miss(servers, flow, s)

        lo, hi = -60.0, 60.0
        if f(lo) > 0:
            return servers.spare_at(flow, math.exp(lo))
        if f(hi) < 0:
            return servers.spare_at(flow, math.exp(hi))
        u = brentq(f, lo, hi, xtol=1e-15, rtol=1e-15)
        return servers.spare_at(flow, math.exp(u))


class BudgetGoal(Constrained):
    def __init__(self, budget):
        self.budget = budget

    def value(self, money, work):
        return work if money <= self.budget * (1 + 1e-9) else math.inf

    def bound(self, value, weight):
        return (value - self.budget) / weight

    def weight_of(self, at):
        return 1.0 / at

    def slope(self, found):
        return found.money - self.budget

    def miss(self, servers, flow, spare):
        return float(servers.money(flow, spare).sum()) - self.budget


class TargetGoal(Constrained):
    def __init__(self, work):
        self.work = work

    def value(self, money, work):
        return money if work <= self.work * (1 + 1e-9) else math.inf

    def bound(self, value, weight):
        return value - weight * self.work

    def slope(self, found):
        return found.work - self.work

    def miss(self, servers, flow, spare):
        return self.work - float(servers.work(flow, spare).sum())


class Node(NamedTuple):
    bound: float
    number: int
    box: Box
    found: Relaxed
    own: Array


class Search:
    def __init__(self, servers, goal, gap, max_nodes=10000):
        self.servers, self.goal, self.gap, self.max_nodes = servers, goal, gap, max_nodes
        self.best = Plan(math.inf, np.zeros(0), np.zeros(0))
        self.pruned = math.inf
        self.nodes = 0
        self.number = 0
        self.heap = []
        self.polishes = 0

    def plan(self, flow):
        s = self.servers
        spare = self.goal.spare(s, flow)
        return Plan(
            self.goal.value(float(s.money(flow, spare).sum()), float(s.work(flow, spare).sum())),
            flow,
            spare,
        )

    def resplit(self, plan):
        s = self.servers
        rate = plan.flow + plan.spare
        if s.closable:
            rate = np.where(plan.flow > 0, rate, 0.0)
        used = rate > 0
        if rate.sum() <= s.load:
            return plan
        if s.exponential:
            bank = MM1(rate[used], s.delay[used])
        else:
            bank = MG1(rate[used], np.sqrt(2 * s.k[used] - 1), s.delay[used])
        split = optimum(bank, s.load)
        flow, spare = np.zeros_like(rate), np.zeros_like(rate)
        flow[used], spare[used] = split.flow, split.spare_capacity
        return Plan(
            self.goal.value(float(s.money(flow, spare).sum()), float(s.work(flow, spare).sum())),
            flow,
            spare,
        )

    def polish(self, flow, digits=1e-13):
        plan = self.plan(flow)
        for i in range(200):
            self.polishes += 1
            new = self.plan(self.resplit(plan).flow)
            if not new.value < plan.value * (1 - digits):
                if new.value < plan.value:
                    plan = new
                break
            plan = new
        return plan

    def offer(self, flow, polish):
        plan = self.plan(flow)
        if polish or plan.value < self.best.value:
            if math.isfinite(plan.value):
                plan = self.polish(flow, 1e-8)
        if plan.value < self.best.value:
            self.best = plan

    def node(self, box, price, weight, floor):
        s = self.servers
        low, high = box
        L = s.load
        sl, sh = low.sum(), high.sum()
        slack = 8 * EPS * L
        if sl > L + slack or sh < L - slack:
            return None
        high = np.minimum(high, L - (sl - low) + slack)
        low = np.maximum(low, L - (sh - high) - slack) if False else low
        box = Box(low, np.maximum(high, low))
        found = self.goal.relaxed(s, box, price, weight)
        costs = Costs(s, box, found.weight)
        minima = costs.minima(found.price)
        total = float(exact_sum(minima.excess)[0]) + found.price * s.rest
        margin = ROUNDING * (
            found.price * s.rest
            + float((np.abs(minima.money) + found.weight * minima.work + found.price * np.abs(minima.gain)).sum())
        )
        bound = self.goal.bound(total - margin, found.weight)
        flow, gain, money, work = costs._best(found.flow)
        own = money + found.weight * work - found.price * gain - minima.excess
        self.number += 1
        return Node(max(bound, floor), self.number, box, found, own)

    def run(self):
        s = self.servers
        n = s.delay.size
        box = Box(np.zeros(n), np.minimum(s.hi, s.load))
        root = self.node(box, *self.start(), 0.0)
        self.root = root
        self.offer(root.found.flow, True)
        above = root.found.above
        if above.sum() > 0:
            self.offer(above * (s.load / above.sum()), True)
        heapq.heappush(self.heap, root)
        while self.heap and self.nodes < self.max_nodes:
            node = self.heap[0]
            if self.best.value <= node.bound * (1 + self.gap):
                break
            heapq.heappop(self.heap)
            self.nodes += 1
            i = int(np.argmax(node.own))
            a, b = node.box.low[i], node.box.high[i]
            at = min(max(node.found.flow[i], a + 0.02 * (b - a)), b - 0.02 * (b - a))
            for low, high in ((a, at), (at, b)):
                lo2, hi2 = node.box.low.copy(), node.box.high.copy()
                lo2[i], hi2[i] = low, high
                child = self.node(Box(lo2, hi2), node.found.price, node.found.weight, node.bound)
                if child is None:
                    continue
                self.offer(child.found.flow, False)
                if self.best.value <= child.bound * (1 + self.gap):
                    self.pruned = min(self.pruned, child.bound)
                else:
                    heapq.heappush(self.heap, child)
        lower = min(self.pruned, self.heap[0].bound if self.heap else math.inf)
        self.best = min(self.best, self.polish(self.best.flow), key=lambda p: p.value)
        return self.best, lower

    def start(self):
        s = self.servers
        goal = self.goal
        if isinstance(goal, BudgetGoal):
            w = goal.budget / s.load / max(s.delay.mean(), s.load**-1)
        elif isinstance(goal, TargetGoal):
            w = s.price.mean() * s.load / goal.work
        else:
            w = goal.weight
        price = s.price.mean() + w * (s.delay.mean() + 1 / s.load)
        return price, w
