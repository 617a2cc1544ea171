"""Report of the solver benchmark: tables, profiles and pictures of a run, and its rows as files.

A measure is one entry of `measures`, a finding one function of `findings`, and a picture one
function of `pictures`.
"""

from .write import write_report

__all__ = ["write_report"]
