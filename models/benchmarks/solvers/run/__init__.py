"""Runs of the solver benchmark: solvers, settings, a pool of workers, and rows on disk."""
