"""Newton steps for an optimum within limits: bounds of the flows and a budget; its certificate is `certify_within`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sojourn.models.solving.polish import polish
from sojourn.models.solving.prices import multiplier
from sojourn.models.solving.splits import ROUNDING, Limits, Mask, feasible
from sojourn.reference.errors import Array
from sojourn.reference.queues import Queue

STEPS = 200
CALM = 1e-13  # relative move after which rounding is all that moves
PATIENCE = 8  # steps without gain after which rounding is all that moves
NEAR = 1e-6  # part of the load within which a solver's flow may be at its bound
FLAT = 1e-9  # rise of a price over the load, relative, below which it is flat
KEPT = 1e-12  # violation of a limit that is rounding, relative


@dataclass(frozen=True, eq=False)
class Limited:
    """n servers, a load and limits."""

    queue: Queue
    load: float
    limits: Limits

    def repair(self, flow: Array) -> Array | None:
        """Nearby flow that keeps the limits to rounding, or None."""
        x, there = feasible(self.queue, np.array([self.load]), flow[None], trim=False, limits=self.limits)
        return x[0] if there[0] else None

    def polish(self, start: Array, z: float) -> tuple[Array, float, float, int]:
        """Newton steps on the servers between their limits, from a solver's flow and its price of the budget.

        An optimum that keeps the limits is the optimum within them. Where the steps do not settle from there, they start again half way to
        an even utilisation. Returns flow, multiplier of the load, price of the budget, and steps.
        """
        free = polish(self.queue, self.load, start, "optimum")
        if free is not None and free[1] < STEPS and self.limits.violation(self.load, free[0]) <= ROUNDING:
            return free[0], float(multiplier(self.queue, np.array(self.load), free[0], "optimum")), 0.0, free[1]
        found = self._newton(start, z)
        if found[-1] == STEPS and (inner := self._inner(start)) is not None:
            again = self._newton(inner, z)
            found = again if again[-1] < STEPS else found
        return found

    def _inner(self, flow: Array) -> Array | None:
        """Point within the limits half way from a flow to an even utilisation."""
        endless = np.isinf(self.queue.rate)
        weight = endless.astype(float) if endless.any() else self.queue.rate
        even, near = self.repair(self.load * weight / math.fsum(weight)), self.repair(flow)
        return even if even is None or near is None else 0.5 * (even + near)

    def _newton(self, start: Array, z: float) -> tuple[Array, float, float, int]:
        queue, low, high = self.queue, self.limits.least, self.limits.most
        x = np.clip(start, low, np.minimum(high, queue.rate * (1 - 1e-9)))
        close = NEAR * self.load / x.size
        at_most = (x >= high - close) & (high < queue.rate)  # the rate itself is no limit: no server reaches it
        free = (x > low + close) & ~at_most
        x = np.where(free, x, np.where(x <= low + close, low, high))
        binds = self.limits.budgeted and math.fsum(self.limits.price * x) >= self.limits.money * (1 - NEAR)
        c, calmest, stuck = 0.0, math.inf, 0
        for step in range(1, STEPS + 1):
            marginal = queue.marginal(x)
            # a price that does not rise with the flow is taken for one that hardly does: at the end, nothing moves by it
            slope = np.maximum(queue.marginal_slope(x), FLAT * max(float(marginal.max()), 1e-300) / self.load)
            base = float(np.min(marginal, initial=math.inf, where=free)) if free.any() else 0.0
            # above the least of them: at a light load the multiplier itself has not the digits that say the flow
            rise, z = self._prices(x, marginal - base, np.where(free, 1.0 / slope, 0.0), free, binds=binds)
            c = base + rise
            move = np.where(free, (rise - z * self.limits.price - (marginal - base)) / slope, 0.0)
            room = np.where(move > 0, 0.9 * queue.spare_capacity(x) / np.where(move > 0, move, 1.0), 1.0)
            scale = min(1.0, float(room.min()))
            new = np.clip(x + scale * move, low, high)
            if not np.all(queue.spare_capacity(new) > 0):  # rounded to saturation, or no number at all
                break
            unrest = float(np.max(np.abs(new - x) / np.minimum(np.maximum(new, 1e-300), queue.spare_capacity(new)), initial=0.0, where=free))
            x, stopped = new, free & ((new <= low) | (new >= high))
            free = free & ~stopped
            moving = stopped.any() or scale < 1.0
            stuck = 0 if moving or unrest < calmest / 2 else stuck + 1
            calmest = math.inf if moving else min(calmest, unrest)
            if moving or (unrest > CALM and stuck < PATIENCE):
                continue
            freed = self._to_free(x, c - z * self.limits.price, free)
            spent = math.fsum(self.limits.price * x) if self.limits.budgeted else 0.0
            turned = (binds and z < 0) or (not binds and self.limits.budgeted and spent > self.limits.money * (1 + KEPT))
            if not freed.any() and not turned:
                return x, c, z, step
            free, binds, calmest, stuck = free | freed, binds != turned, math.inf, 0
        return x, c, z, STEPS

    def _to_free(self, x: Array, price: Array, free: Mask) -> Mask:
        """Servers at a limit that would rather move inside; where none moves and the load is not met, the one that meets it best."""
        marginal = self.queue.marginal(x)
        tight = self.limits.least >= self.limits.most
        up = (x <= self.limits.least) & (marginal < price * (1 - KEPT))
        down = (x >= self.limits.most) & (marginal > price * (1 + KEPT))
        freed: Mask = (up | down) & ~free & ~tight
        missing = math.fsum([self.load, *-x])
        can = x < self.limits.most if missing > 0 else x > self.limits.least
        if not free.any() and not freed.any() and abs(missing) > KEPT * self.load and can.any():
            dear = np.where(can, marginal - price, math.inf if missing > 0 else -math.inf)
            freed[np.argmin(dear) if missing > 0 else np.argmax(dear)] = True
        return freed

    def _prices(self, x: Array, marginal: Array, weight: Array, free: Mask, *, binds: bool) -> tuple[float, float]:
        """Multipliers with which one Newton step restores the balance, and the budget where it binds."""
        if not free.any():
            above, below = x >= self.limits.most, x <= self.limits.least
            return float(marginal[above].max() if above.any() else marginal[below].min()), 0.0
        total, missing = math.fsum(weight), math.fsum([self.load, *-x])
        common = (missing + math.fsum(weight * marginal)) / total
        if not binds:
            return common, 0.0
        # against the mean price of the servers that follow, the two conditions say one multiplier each
        mean = math.fsum(weight * self.limits.price) / total
        apart = self.limits.price - mean
        over = math.fsum([self.limits.money, *(-self.limits.price * x), -mean * missing, *(weight * apart * marginal)])
        spread = math.fsum(weight * apart**2)
        z = -over / spread if spread > 0 else 0.0
        return common + z * mean, z
