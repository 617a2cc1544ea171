"""Benchmarks of the library, for ``sojourn bench``.

They compare it with the clock, with other tools and with local solvers, compare the solvers of
CVXPY with closed forms, and search for systems on which the worst-case rule fails.
"""

from __future__ import annotations

from typing import NamedTuple


class Benchmark(NamedTuple):
    """Benchmark of ``sojourn bench``.

    Attributes
    ----------
    module : str
        Module of this package, relative to it; its function ``report`` takes
        `sojourn.models.benchmarks.report.BenchOptions` and yields reports.
    help : str
        Phrase for ``sojourn bench --help``.
    """

    module: str
    help: str


BENCHMARKS = {
    "speed": Benchmark(".speed.ratios", "times of closed forms and models, as ratios"),
    "families": Benchmark(".latency_families", "every latency family, model against reference"),
    "local-minima": Benchmark(".local_minima", "local solvers on assignments to service modes"),
    "worst-case-rule": Benchmark(".worst_case_rule", "systems on which the worst-case rule fails"),
    "other-tools": Benchmark(".other_tools", "this library and other tools on the same systems"),
    "solvers": Benchmark(".solvers", "the solvers that CVXPY finds, against closed forms"),
}
"""Benchmarks by name; a module is imported only when it runs."""
