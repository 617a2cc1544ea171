"""What the command prints and writes of a scenario: one kind of system a file."""

from sojourn.models.reports import dual_mode, parallel

__all__ = ["dual_mode", "parallel"]
