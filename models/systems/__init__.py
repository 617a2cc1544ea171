"""The problem statements: one system a file."""

from sojourn.models.systems.parallel import ParallelServers

__all__ = ["ParallelServers"]
