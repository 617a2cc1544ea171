"""Solvers as functions for the benchmark: one that works, and others that do not."""

import os
import time
from pathlib import Path

import numpy as np

CALLS = "calls.txt"
__version__ = "1"


class Panic(BaseException):
    """What a solver in Rust raises."""


def tiny(program):
    return program.name in ("trial", "warm-up")


def good(program, options):
    """Solve by Clarabel itself, and count the calls."""
    import clarabel

    if not tiny(program):
        with Path(__file__).with_name(CALLS).open("a") as file:
            file.write(f"{program.name}\n")
    cones = program.cones
    kinds = [
        *([clarabel.ZeroConeT(cones.zero)] if cones.zero else []),
        *([clarabel.NonnegativeConeT(cones.nonnegative)] if cones.nonnegative else []),
        *[clarabel.SecondOrderConeT(size) for size in cones.second_order],
    ]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    if options["tolerance"]:
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = options["tolerance"]
    found = clarabel.DefaultSolver(
        program.P, program.q, program.A, program.b, kinds, settings
    ).solve()
    return {
        "status": "optimal",
        "x": found.x,
        "y": found.z,
        "iterations": found.iterations,
        "solve_seconds": found.solve_time,
    }


def hangs(program, options):
    while not tiny(program):
        time.sleep(0.01)
    return good(program, options)


def exits(program, options):
    if not tiny(program):
        os._exit(3)
    return good(program, options)


def grows(program, options):
    kept = []
    while not tiny(program):
        kept.append(np.ones(20_000_000))
    return good(program, options)


def slow_once(program, options, calls=[]):  # noqa: B006  # the calls in this process
    calls += [1] * (program.name != "trial")
    time.sleep(0.3 if len(calls) == 1 else 0.0)
    return good(program, options)


def panics(program, options):
    if not tiny(program):
        raise Panic("unwrap on None")
    return good(program, options)


def nonsense(program, options):
    return "optimal", np.ones(program.q.size), None


def wrong_shape(program, options):
    return "optimal", np.ones(program.q.size + 1), None


def not_finite(program, options):
    x = np.full(program.q.size, np.nan)
    return ("optimal", np.ones(1), None) if tiny(program) else ("optimal", x, None)


def scales(program, options):
    """Double the objective and the rows in place; the answer x is that of the program."""
    answer = good(program, options)
    for array in (program.P.data, program.q, program.A.data, program.b):
        array *= 2.0
    options.clear()
    return {**answer, "solve_seconds": 1e-9}


def broken(program, options):
    raise OSError("no library")
