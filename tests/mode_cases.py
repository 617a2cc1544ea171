"""Systems with many service modes, of known best assignments: cuts of two networks, and others."""

import mpmath
import numpy as np

from sojourn.models import MultiMode
from sojourn.reference.service_modes import Modes

TENTHS = np.array([[3.0, 1.0, 1.0], [1.0, 3.0, 1.0], [1.0, 1.0, 3.0]]) / 10
FOUR = [[0.30, 0.10, 0.05, 0.20], [0.05, 0.25, 0.10, 0.12], [0.06, 0.05, 0.24, 0.11]]
FIVE = [[0.5, 0.2, 0.1, 0.05, 0.3], [0.1, 0.4, 0.2, 0.1, 0.15], [0.05, 0.1, 0.3, 0.5, 0.2]]
ABOVE_HULL = [[0.05, 0.5, 0.21021], [0.2375, 0.125, 0.1976975]]
"""The third mode lies above the line through the other two, and is used all the same."""
FAR_ABOVE_HULL = [[0.05, 0.5, 0.204], [0.2375, 0.125, 0.204]]

KNOWN = {
    "three of three": (TENTHS, 5.4, 13.9282032303, [1 / 3, 1 / 3, 1 / 3]),
    "two of three": (TENTHS, 3.6, 2.9782505768, None),  # any two: a tie of three assignments
    "three of four": (FOUR, 5.5, 3.8741793537, [0.256694857, 0.296861856, 0.446443287, 0.0]),
    "two of five": (FIVE, 3.6, 4.5009457540, [0.274416607, 0.0, 0.725583393, 0.0, 0.0]),
    "above the hull": (ABOVE_HULL, 4.95, 57.4273313441, [0.0682543095, 0.0, 0.9317456905]),
    "one above the hull": (FAR_ABOVE_HULL, 4.0, 2.2173913043, [0.0, 0.0, 1.0]),
}
"""Works, load, least mean delay, and the best assignment."""

ALEXNET = {  # multiply-adds and output elements of each layer, torchvision, 224 x 224 pixels
    "conv1": (55**2 * 64 * 3 * 11**2, 55**2 * 64),
    "pool1": (0, 27**2 * 64),
    "conv2": (27**2 * 192 * 64 * 5**2, 27**2 * 192),
    "pool2": (0, 13**2 * 192),
    "conv3": (13**2 * 384 * 192 * 3**2, 13**2 * 384),
    "conv4": (13**2 * 256 * 384 * 3**2, 13**2 * 256),
    "conv5": (13**2 * 256 * 256 * 3**2, 13**2 * 256),
    "pool5": (0, 6**2 * 256),
    "fc6": (6**2 * 256 * 4096, 4096),
    "fc7": (4096**2, 4096),
    "all device": (4096 * 1000, 0),
}


def mobilenet():
    """Multiply-adds and output elements of the layers of MobileNetV2, as of `ALEXNET`."""
    size, channels = 112, 32
    layers = {"conv1": (size**2 * 32 * 3 * 3**2, size**2 * 32)}
    blocks = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)]
    blocks += [(6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, out, repeats, first_stride in blocks:
        for i in range(repeats):
            wide, stride = expansion * channels, first_stride if i == 0 else 1
            adds = size**2 * channels * wide if expansion > 1 else 0
            size //= stride
            adds += size**2 * wide * (3**2 + out)
            channels = out
            layers[f"block{len(layers)}"] = (adds, size**2 * out)
    layers["conv18"] = (size**2 * channels * 1280, size**2 * 1280)
    layers["pool"] = (0, 1280)
    layers["all device"] = (1280 * 1000, 0)
    return layers


def cuts(layers, uplink, device=8e9, cloud=200e9):
    """Return the system of the cuts of a network: device, uplink (bit/s) and cloud.

    One multiply-add is two operations, one activation one byte.
    """
    adds = np.concatenate([[0], np.cumsum([adds for adds, _ in layers.values()])])
    sent = np.array([224**2 * 3, *(elements for _, elements in layers.values())])
    return MultiMode.from_work(
        [2 * adds, 8 * sent, 2 * (adds[-1] - adds)],
        speed=[device, uplink, cloud],
        stages=["device", "uplink", "cloud"],
        modes=["all cloud", *layers],
    )


def random_system(rng):
    """Random works, some of them 0, some with fixed delays, and a load as a part of capacity."""
    stages, modes = int(rng.integers(2, 5)), int(rng.integers(2, 13))
    while True:
        if rng.uniform() < 0.5:
            work = rng.exponential(size=(stages, modes))
        else:
            work = rng.dirichlet(np.ones(stages), size=modes).T
        work = work * (rng.uniform(size=work.shape) >= rng.choice([0, 0, 0.3]))
        if work.any(axis=0).all() and work.any(axis=1).all():
            break
    part = rng.choice([10 ** rng.uniform(-3, 0), 1 - 10 ** rng.uniform(-4, 0)])
    return Modes.from_work(work), float(np.clip(part, 1e-3, 0.9999))


def exact_delay(problem, w):
    """Return the delay at w in the unit of the problem, infinite where a stage is full."""
    with mpmath.workdps(50):
        load, unit = mpmath.mpf(problem.loads[0]), mpmath.mpf(problem.unit)
        length = sum(x**2 for x in w)
        total = sum(mpmath.mpf(d) * x**2 for d, x in zip(problem.modes.delay, w, strict=True))
        total /= length
        for row in problem.modes.time:
            a = [mpmath.mpf(t) for t in row]
            spare = length - load * sum(t * x**2 for t, x in zip(a, w, strict=True))
            if spare <= 0:
                return mpmath.inf
            total += sum(mpmath.sqrt(t) * x for t, x in zip(a, w, strict=True)) ** 2 / spare
        return total / unit
