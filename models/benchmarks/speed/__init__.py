"""Timings for ``sojourn bench speed``: files of pytest-benchmark, one a subject.

Each row compares the time of this library with that of something else.
"""
