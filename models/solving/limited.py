"""Certificate and Newton steps for an optimum within limits: bounds of the flows and a budget.

For any multiplier c of the load and z >= 0 of the budget, no split within the limits carries less than
c load - z money + sum_i min over [least_i, most_i] of f_i(x) - (c - z price_i) x, attained at g_i^-1(c - z price_i), clipped: weak duality.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sojourn.models.solving.certificate import EPS, Certificate
from sojourn.models.solving.polish import most_steps
from sojourn.reference.errors import Array
from sojourn.reference.limited import cheapest
from sojourn.reference.queues import Queue

Mask = npt.NDArray[np.bool_]
CALM = 1e-13  # relative move after which rounding is all that moves
PATIENCE = 8  # steps without gain after which rounding is all that moves
NEAR = 1e-6  # part of the load within which a solver's flow may be at its bound
FLAT = 1e-9  # rise of a price over the load, relative, below which it is flat
KEPT = 1e-12  # violation of a limit that is rounding, relative


@dataclass(frozen=True, eq=False)
class Limited:
    """n servers, a load and limits: least and most flows, prices and money (infinite without a budget)."""

    queue: Queue
    load: float
    least: Array
    most: Array
    price: Array
    money: float

    @property
    def budgeted(self) -> bool:
        """Whether there is a budget."""
        return math.isfinite(self.money)

    def violation(self, flow: Array) -> float:
        """Largest violation of a limit or of the balance, in parts of the load or the budget."""
        off = [abs(math.fsum([*flow, -self.load])), float(np.max(self.least - flow)), float(np.max(flow - self.most))]
        over = (math.fsum(self.price * flow) - self.money) / max(self.money, 1e-300) if self.budgeted else 0.0
        return max(max(off) / self.load, over, 0.0)

    def lower_bound(self, c: float, z: float) -> float:
        """Least mean delay that the multipliers prove."""
        queue = self.queue
        point = queue.at_marginal(np.maximum((c - z * self.price - queue.delay) - queue.service, 0.0))
        # that no server carries more than the load is no new limit, and bounds what a flat price does not
        flow = np.clip(point.flow, self.least, np.minimum(self.most, self.load))
        spare = np.where(flow == point.flow, point.spare, queue.spare_capacity(flow))
        cost = flow * queue.latency(flow, spare)
        if queue.derived:
            cost = cost - queue.overshoot(c - z * self.price, flow, self.least, np.minimum(self.most, self.load))
        budget = [z * math.fsum([*(self.price * flow), -self.money])] if self.budgeted else []
        return math.fsum([*cost, -c * math.fsum([*flow, -self.load]), *budget]) / self.load

    def mean_delay(self, flow: Array) -> float:
        """Mean delay of a flow; infinite outside the stable region."""
        inside = np.maximum(flow, 0.0)
        return math.fsum(inside * self.queue.latency(inside)) / math.fsum(inside) if np.all(self.queue.spare_capacity(inside) > 0) else math.inf

    def repair(self, flow: Array) -> Array | None:
        """Nearby flow that keeps the limits to rounding, or None."""
        if not np.all(np.isfinite(flow)):
            return None
        top = np.minimum(self.most, np.nextafter(self.queue.rate, 0.0))
        x = np.clip(flow, self.least, top)
        for _ in range(2):
            missing = -math.fsum([*x, -self.load])
            room = np.where(np.isfinite(self.most) | np.isfinite(self.queue.rate), top - x, self.load) if missing > 0 else x - self.least
            total = math.fsum(room)
            if total > abs(missing) > 0:
                x = x + missing * (room / total)
        if self.budgeted and (over := math.fsum([*(self.price * x), -self.money])) > 0:
            saving, cost = cheapest(self.least, self.most, self.price, self.load)
            gain = math.fsum([*(self.price * x), -cost])
            if gain <= over:
                return None
            x = x + (over / gain) * (saving - x)
        return x if self.violation(x) <= KEPT else None

    def certify(self, flow: Array, c: float, z: float, kept: Array | None) -> Certificate:
        """Return the certificate of a flow, from multipliers and a flow that keeps the limits, if there is one."""
        proved = self.lower_bound(c, max(z, 0.0)) if math.isfinite(c) and math.isfinite(z) else -math.inf
        lower = max(proved, float(self.queue.idle_latency.min()))
        points = [p for x in (flow, kept) if x is not None and (p := self.repair(x)) is not None]
        upper = max(min((self.mean_delay(p) for p in points), default=math.inf), lower)
        value = self.mean_delay(flow)
        worst = max(abs(upper - value), abs(value - lower)) if math.isfinite(value) else math.inf
        return Certificate(
            lower_bound=lower,
            upper_bound=upper,
            gap=worst / lower + 8 * EPS,
            balance=abs(math.fsum([*flow, -self.load])) / self.load,
            least_flow=float(flow.min() / self.load),
            utilisation=float((flow / self.queue.rate).max()),
            violation=self.violation(flow),
        )

    def polish(self, start: Array, z: float) -> tuple[Array, float, float, int]:
        """Newton steps on the servers between their limits, from a solver's flow and its price of the budget.

        Where they do not settle from there, they start again half way to an even utilisation. Returns flow, multiplier of the load, price of
        the budget, and steps.
        """
        found = self._newton(start, z)
        if found[-1] == most_steps(self.queue) and (inner := self._inner(start)) is not None:
            again = self._newton(inner, z)
            found = again if again[-1] < most_steps(self.queue) else found
        return found

    def _inner(self, flow: Array) -> Array | None:
        """Point within the limits half way from a flow to an even utilisation."""
        endless = np.isinf(self.queue.rate)
        weight = endless.astype(float) if endless.any() else self.queue.rate
        even, near = self.repair(self.load * weight / math.fsum(weight)), self.repair(flow)
        return even if even is None or near is None else 0.5 * (even + near)

    def _newton(self, start: Array, z: float) -> tuple[Array, float, float, int]:
        queue, low, high = self.queue, self.least, self.most
        x = np.clip(start, low, np.minimum(high, queue.rate * (1 - 1e-9)))
        close = NEAR * self.load / x.size
        at_most = (x >= high - close) & (high < queue.rate)  # the rate itself is no limit: no server reaches it
        free = (x > low + close) & ~at_most
        x = np.where(free, x, np.where(x <= low + close, low, high))
        binds = self.budgeted and math.fsum(self.price * x) >= self.money * (1 - NEAR)
        c, calmest, stuck = 0.0, math.inf, 0
        for step in range(1, most_steps(queue) + 1):
            marginal = queue.marginal(x)
            # a price that does not rise with the flow is taken for one that hardly does: at the end, nothing moves by it
            slope = np.maximum(queue.marginal_slope(x), FLAT * max(float(marginal.max()), 1e-300) / self.load)
            base = float(np.min(marginal, initial=math.inf, where=free)) if free.any() else 0.0
            # above the least of them: at a light load the multiplier itself has not the digits that say the flow
            rise, z = self._prices(x, marginal - base, np.where(free, 1.0 / slope, 0.0), free, binds=binds)
            c = base + rise
            move = np.where(free, (rise - z * self.price - (marginal - base)) / slope, 0.0)
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
            freed = self._to_free(x, c - z * self.price, free)
            spent = math.fsum(self.price * x) if self.budgeted else 0.0
            turned = (binds and z < 0) or (not binds and self.budgeted and spent > self.money * (1 + KEPT))
            if not freed.any() and not turned:
                return x, c, z, step
            free, binds, calmest, stuck = free | freed, binds != turned, math.inf, 0
        return x, c, z, most_steps(queue)

    def _to_free(self, x: Array, price: Array, free: Mask) -> Mask:
        """Servers at a limit that would rather move inside; where none moves and the load is not met, the one that meets it best."""
        marginal = self.queue.marginal(x)
        tight = self.least >= self.most
        up = (x <= self.least) & (marginal < price * (1 - KEPT))
        down = (x >= self.most) & (marginal > price * (1 + KEPT))
        freed: Mask = (up | down) & ~free & ~tight
        missing = math.fsum([self.load, *-x])
        can = x < self.most if missing > 0 else x > self.least
        if not free.any() and not freed.any() and abs(missing) > KEPT * self.load and can.any():
            dear = np.where(can, marginal - price, math.inf if missing > 0 else -math.inf)
            freed[np.argmin(dear) if missing > 0 else np.argmax(dear)] = True
        return freed

    def _prices(self, x: Array, marginal: Array, weight: Array, free: Mask, *, binds: bool) -> tuple[float, float]:
        """Multipliers with which one Newton step restores the balance, and the budget where it binds."""
        if not free.any():
            above, below = x >= self.most, x <= self.least
            return float(marginal[above].max() if above.any() else marginal[below].min()), 0.0
        total, missing = math.fsum(weight), math.fsum([self.load, *-x])
        common = (missing + math.fsum(weight * marginal)) / total
        if not binds:
            return common, 0.0
        # against the mean price of the servers that follow, the two conditions say one multiplier each
        mean = math.fsum(weight * self.price) / total
        apart = self.price - mean
        over = math.fsum([self.money, *(-self.price * x), -mean * missing, *(weight * apart * marginal)])
        spread = math.fsum(weight * apart**2)
        z = -over / spread if spread > 0 else 0.0
        return common + z * mean, z
