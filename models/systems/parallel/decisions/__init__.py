"""Decisions of an operator about parallel servers: whole weights, sizes, percentiles."""
