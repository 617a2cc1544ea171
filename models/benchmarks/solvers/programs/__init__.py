"""Instances of the solver benchmark as plain cone programs: arrays, residuals and files."""
