"""What the library is held against: the clock, other tools, other solvers, local minima, the worst-case rule."""

from __future__ import annotations

from typing import NamedTuple


class Benchmark(NamedTuple):
    """One word of `sojourn bench`: a module of this package with a function `report`, from `Asked` to reports, and a line of help."""

    module: str
    help: str


BENCHMARKS = {
    "speed": Benchmark(".speed.ratios", "closed forms and models"),
    "families": Benchmark(".latency_families", "every latency, model against reference"),
    "traps": Benchmark(".local_minima", "local solvers on the dual-mode assignment"),
    "gallery": Benchmark(".worst_case_rule", "where the worst-case rule fails"),
    "peers": Benchmark(".other_tools", "this library and others on the same systems"),
    "solvers": Benchmark(".solvers", "every solver that CVXPY finds, against the truth"),
}
"""To add one is to add a line; nothing is imported before it is asked for."""
