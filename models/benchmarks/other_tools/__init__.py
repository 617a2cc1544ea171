"""The same systems by this library and by others: how near, how fast, and what each certifies.

A system is a line in `case`, a method is a file in `methods`.
"""

from sojourn.models.studies.peers.answer import Answer, Skipped
from sojourn.models.studies.peers.case import CASES, Case
from sojourn.models.studies.peers.compare import PeerRow, compare
from sojourn.models.studies.peers.methods import METHODS
from sojourn.models.studies.peers.table import table

__all__ = ["CASES", "METHODS", "Answer", "Case", "PeerRow", "Skipped", "compare", "table"]
