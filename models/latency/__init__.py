"""What a server costs: one family a file, its numbers and its cones."""

from sojourn.models.latency.base import Cone, Latency, LatencyPool
from sojourn.models.latency.mg1 import MD1, MG1, MM1

__all__ = ["MD1", "MG1", "MM1", "Cone", "Latency", "LatencyPool"]
