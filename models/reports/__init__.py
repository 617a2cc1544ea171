"""What the command prints and writes of a scenario: one kind of system a file."""

from sojourn.models.reports import anarchy, dual_mode, parallel

__all__ = ["anarchy", "dual_mode", "parallel"]
