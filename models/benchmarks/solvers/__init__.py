"""Benchmark of the solvers that CVXPY finds, and of others, on problems with known answers.

It measures the time and the error of each solver, and counts the false claims: answers with the
status ``optimal`` that are not accurate. A problem is a file in `problems`.
"""
