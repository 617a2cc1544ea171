"""Road networks of the collection TransportationNetworks, from a folder of the environment."""

import os
from functools import cache
from pathlib import Path

import pytest

from sojourn.models import Network

FOLDER = os.environ.get("SOJOURN_TNTP", "")
REASON = "SOJOURN_TNTP does not name a folder of files of TransportationNetworks"
NEEDS_ROAD_FILES = pytest.mark.skipif(not FOLDER, reason=REASON)


@cache
def road_network(name):
    """Return a network of the folder, such as ``"SiouxFalls"``."""
    return Network.from_tntp(*(Path(FOLDER) / f"{name}_{kind}.tntp" for kind in ("net", "trips")))
