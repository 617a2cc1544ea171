"""Choice of sites for groups of users: which to open, at which rates, and who goes where."""

from .choice import SiteChoice, choose_sites
from .costs import SiteCosts

__all__ = ["SiteChoice", "SiteCosts", "choose_sites"]


def __dir__() -> list[str]:
    return sorted(__all__)
