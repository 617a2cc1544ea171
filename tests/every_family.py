"""A bank of every family of latencies, three servers each where three can differ."""

import numpy as np

from sojourn.models import (
    BPR,
    MD1,
    MG1,
    MG1PS,
    MM1,
    Constant,
    Function,
    Kingman,
    KraemerLangenbachBelz,
    MM1Percentile,
    MM1Setup,
    MM1Vacations,
    MMc,
    Polynomial,
    Tandem,
)

RATE, DELAY = np.array([100.0, 80.0, 200.0]), [0.005, 0.005, 0.02]

FAMILIES = {
    "M/M/1": MM1(RATE, DELAY),
    "M/D/1": MD1(RATE, DELAY),
    "M/G/1": MG1(RATE, [0.0, 1.0, 9.0], DELAY),
    "G/G/1": Kingman(RATE, 1.2, 0.7, DELAY),
    "G/G/1 KLB": KraemerLangenbachBelz(RATE, [0.5, 1.0, 2.0], [0.3, 0.0, 2.0], DELAY),
    "M/G/1-PS": MG1PS(RATE, DELAY),
    "M/M/1 vacations": MM1Vacations(RATE, 0.01, 2.0, DELAY),
    "M/M/1 setup": MM1Setup(RATE, 0.008, [0.0, 1.0, 1.2], DELAY),
    "M/M/1 percentile": MM1Percentile(RATE, 0.99, DELAY),
    "M/M/c": MMc([30.0, 40.0, 50.0], [3, 1, 20], DELAY),
    "polynomial": Polynomial([[0.01, 0.001, 0.0, 1e-7], [0.02, 0.0, 1e-5, 0.0]], [0.0, 0.01]),
    "constant": Constant([0.05, 0.08]),
    "BPR": BPR([0.01, 0.02, 0.03], [100.0, 50.0, 80.0], [0.15, 0.2, 0.3], [4.0, 2.5, 1.0]),
    "tandem": Tandem(MM1(RATE, DELAY), MMc([30.0, 90.0, 20.0], [4, 2, 3])),
    "function": Function(lambda x: 0.01 + x**2 / 1e4, servers=2),
    "function within a rate": Function(lambda x: 1 / (RATE - x), lambda x: 1 / (RATE - x) ** 2, RATE, DELAY),
}
