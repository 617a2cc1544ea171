"""How far the mean delay of an equilibrium under tolls can be from that of the optimum.

Users pay tolls tau_a >= 0 on top of the latencies. Let x be a flow with station flows v and total
delay C, without tolls, and let rerouting it save at most G at the costs l(v) + tau. For the
equilibrium v', with the total delay C',

- rerouting it saves nothing, sum (l(v') + tau)(v' - v) + Delta' - Delta <= 0, and with what
  rerouting x saves, sum (l(v') - l(v))(v' - v) <= G: no term is negative, so each v'_a lies between
  the smallest and the largest w_a with (l(w_a) - l(v_a))(w_a - v_a) <= G;
- C' - C <= sum m(v')(v' - v) + Delta' - Delta, as C is convex with the gradient m = l + v l'.

The first inequality, subtracted from the last, leaves

    C' - C <= sum (v' l'(v') - tau)(v' - v),

where v l'(v) does not fall with v, as marginal delays do not. So each term is at most its value
at the largest or the smallest w_a. With tau = v l'(v) all terms are of the order of G.
"""

from __future__ import annotations

import numpy as np

from ..compensated_sum import EPS
from ..errors import Array
from ..server_bank import ServerBank
from .price_bounds import ROUNDING
from .rerouting import farthest


def tolled_excess(bank: ServerBank, flow: Array, toll: Array, saving: float, most: Array) -> float:
    """Return a bound of C' - C, the total delay of the equilibrium less that of a flow.

    Parameters
    ----------
    bank : ServerBank
        A stations, without tolls.
    flow : ndarray, shape (A,)
        Flow v of each station, below its rate.
    toll : ndarray, shape (A,)
        Toll of each station, in units of time.
    saving : float
        G, a bound of what rerouting the flow saves at the latencies with the tolls.
    most : ndarray, shape (A,) or (1,)
        A flow that no station exceeds, see `sojourn.reference.routes.price_bounds.largest_load`.
    """
    out, spare, close = 0.0, bank.spare_capacity(flow), 4.0 * EPS * flow
    for up in (True, False):
        step = farthest(bank, flow, spare, saving, most - flow, close, up=up)
        end = flow + step if up else flow - step
        paid = end * bank.latency_slope(end)
        change = (paid - toll if up else toll - paid) + ROUNDING * (paid + toll)
        out += float(np.sum(np.where(step > 0, np.maximum(change, 0.0) * step, 0.0)))
    return out
