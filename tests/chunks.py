"""Seeds of random cases in chunks: the first in every run, the others by -m exhaustive."""

import pytest


def chunks(total, size, often=None):
    """Ranges of seeds to parametrise by; those from `often` on are for a release."""
    return [
        pytest.param(
            range(start, min(start + size, total)),
            id=f"from {start}",
            marks=pytest.mark.exhaustive if often is not None and start >= often else (),
        )
        for start in range(0, total, size)
    ]
