"""Comparison with qpbenchmark, which judges by residuals, on quadratic programs of both."""
