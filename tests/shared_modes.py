"""Systems of shared service modes: those of the paper, two split networks, and random ones."""

import numpy as np

from sojourn.models import SharedModes
from sojourn.reference.service_modes import Modes

PAPER = {"A": (0.1, 0.3), "B": (0.05, 0.15), "C": (0.25, 0.4)}
# multiply-adds before a cut and bytes sent there, 224 x 224 pixels of 3 bytes; a cut that another
# one dominates is left out
MOBILENET = {
    "input": (0, 150_528),
    "block 1": (20_873_216, 200_704),
    "block 2": (50_075_648, 75_264),
    "block 4": (91_282_688, 25_088),
    "block 7": (120_823_808, 12_544),
    "block 14": (225_468_416, 7_840),
    "pool": (299_494_272, 1_280),
    "all": (300_774_272, 0),
}
ALEXNET = {
    "input": (0, 150_528),
    "conv 1": (70_276_800, 193_600),
    "pool 1": (70_276_800, 46_656),
    "pool 2": (294_225_600, 32_448),
    "conv 3": (406_365_888, 64_896),
    "conv 4": (555_886_272, 43_264),
    "pool 5": (655_566_656, 9_216),
    "fc 6": (693_315_392, 4_096),
    "fc 7": (710_092_608, 4_096),
    "all": (714_188_480, 0),
}
DEVICE, CLOUD = 8e9, 200e9  # floating point operations a second


def paper(name):
    """Return system A, B or C of the paper, with shared servers: mu0 = 1, K = 4."""
    return SharedModes.canonical(mu0=1.0, K=4.0, f=PAPER[name])


def split_network(layers, uplink):
    """Return a network that is cut between a device and the cloud; `uplink` in bits a second."""
    before, size = np.array(list(layers.values()), dtype=float).T
    return SharedModes.from_work(
        [2 * before, 8 * size, 2 * (before[-1] - before)],
        speed=[DEVICE, uplink, CLOUD],
        stages=["device", "uplink", "cloud"],
        modes=list(layers),
    )


def random_modes(seed, stages=(1, 5), modes=(1, 7), delays=None):
    """Return random modes, some without work at some stages, with fixed delays or without."""
    rng = np.random.default_rng([21, seed])
    S, M = int(rng.integers(*stages)), int(rng.integers(*modes))
    work = rng.exponential(size=(S, M)) * 10.0 ** rng.uniform(-3, 1)
    work *= rng.random((S, M)) < rng.choice([1.0, 0.7])
    work[rng.integers(S), :] += (work == 0).all(axis=0)
    work[:, rng.integers(M)] += (work == 0).all(axis=1)
    with_delays = rng.random() < 0.3 if delays is None else delays
    delay = work.mean() * rng.exponential(size=M) * with_delays
    return Modes.from_work(work, delay)


def part_of_capacity(seed):
    """Return a random part of the largest load: light, medium, or nearly all."""
    rng = np.random.default_rng([22, seed])
    return [rng.uniform(1e-3, 0.2), rng.uniform(0.2, 0.95), 1 - 10 ** rng.uniform(-4, -1)][seed % 3]
