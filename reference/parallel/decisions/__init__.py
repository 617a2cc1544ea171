"""Exact methods for decisions of an operator: whole weights, sizes of servers, percentiles."""
