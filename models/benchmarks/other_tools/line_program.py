"""Program for an environment with ``line-solver``: reads a system and prints LINE's split, as JSON.

It imports nothing of this library, which cannot be installed in the same environment.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any


def service(line: Any, rate: float, cv: float) -> Any:
    """Return a service time of a mean and a coefficient of variation, as LINE's manual fits it."""
    if cv == 1:
        return line.Exp(rate)
    family = line.HyperExp if cv > 1 else line.APH if cv > 0 else None
    return family.fitMeanAndSCV(1 / rate, cv**2) if family else line.Det(1 / rate)


def solve(line: Any, system: dict[str, Any]) -> dict[str, Any]:
    """Optimise the routing from a source to one queue for each server.

    The delay of a server is a delay station between its queue and the sink.
    """
    model = line.Network("servers")
    source, sink = line.Source(model, "source"), line.Sink(model, "sink")
    jobs = line.OpenClass(model, "jobs")
    source.setArrival(jobs, line.Exp(system["load"]))
    queues = []
    servers = zip(system["rate"], system["cv"], system["delay"], strict=True)
    for i, (rate, cv, delay) in enumerate(servers):
        queue = line.Queue(model, f"queue {i}", line.SchedStrategy.FCFS)
        queue.setService(jobs, service(line, rate, cv))
        model.addLink(source, queue)
        last = queue
        if delay > 0:
            last = line.Delay(model, f"distance {i}")
            last.setService(jobs, line.Exp(1 / delay))
            model.addLink(queue, last)
        model.addLink(last, sink)
        queues.append(queue)
    problem = line.OptimizationProblem(model)
    routing = line.RoutingProbabilities(jobs, source=source, targets=queues)
    problem.add_variable(routing)
    problem.set_objective(line.MinimizeSystemResponseTime(jobs))
    result = problem.solve(**system["options"])
    shares = result.variable_values.get(routing.getName())
    return {
        "share": None if shares is None else [float(share) for share in shares],
        "objective": float(result.objective_value),
        "terminated_by": str(result.terminated_by),
        "evaluations": int(result.model_evaluations),
        "seconds": float(result.solve_time),
    }


def main() -> None:
    """Read a system and print the answer; LINE's own output goes to standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        import line_solver

        answer = solve(line_solver, json.load(sys.stdin))
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
