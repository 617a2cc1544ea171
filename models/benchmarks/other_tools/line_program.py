"""A program for an environment that has `line-solver` and not this library: a system as JSON on standard input, LINE's split as JSON out.

It imports nothing of the library: the two do not live in one environment.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any


def service(line: Any, rate: float, cv: float) -> Any:
    """Service time of a mean and a coefficient of variation, as LINE's documentation fits it."""
    if cv == 1:
        return line.Exp(rate)
    family = line.HyperExp if cv > 1 else line.APH if cv > 0 else None
    return family.fitMeanAndSCV(1 / rate, cv**2) if family else line.Det(1 / rate)


def solve(line: Any, case: dict[str, Any]) -> dict[str, Any]:
    """Write the network (source, a queue each, its distance as a delay station, sink) and optimise its routing."""
    model = line.Network("servers")
    source, sink, jobs = (
        line.Source(model, "source"),
        line.Sink(model, "sink"),
        line.OpenClass(model, "jobs"),
    )
    source.setArrival(jobs, line.Exp(case["load"]))
    queues = []
    for i, (rate, cv, delay) in enumerate(
        zip(case["rate"], case["cv"], case["delay"], strict=True)
    ):
        bank = line.ServerBank(model, f"queue {i}", line.SchedStrategy.FCFS)
        bank.setService(jobs, service(line, rate, cv))
        model.addLink(source, bank)
        last = bank
        if delay > 0:
            last = line.Delay(model, f"distance {i}")
            last.setService(jobs, line.Exp(1 / delay))
            model.addLink(bank, last)
        model.addLink(last, sink)
        queues.append(bank)
    problem = line.OptimizationProblem(model)
    routing = line.RoutingProbabilities(jobs, source=source, targets=queues)
    problem.add_variable(routing)
    problem.set_objective(line.MinimizeSystemResponseTime(jobs))
    found = problem.solve(**case["options"])
    shares = found.variable_values.get(routing.getName())
    return {
        "share": None if shares is None else [float(share) for share in shares],
        "objective": float(found.objective_value),
        "terminated_by": str(found.terminated_by),
        "evaluations": int(found.model_evaluations),
        "seconds": float(found.solve_time),
    }


def main() -> None:
    """Read a case, write an answer; what LINE prints goes to standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        import line_solver

        answer = solve(line_solver, json.load(sys.stdin))
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
