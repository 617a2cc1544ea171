"""Registry of the pictures of the report: a picture is one function in one file."""

from collections.abc import Callable, Iterator, Mapping

from ..document import Picture
from ..results import Results
from .error_plots import accuracy_over_time, error_over_residual
from .profile_plots import data_pictures, performance_pictures

PICTURES: Mapping[str, Callable[[Results], Iterator[Picture]]] = {
    "True error against residuals": error_over_residual,
    "Accuracy against time": accuracy_over_time,
    "Performance profiles": performance_pictures,
    "Data profiles": data_pictures,
}
"""Functions from results to pictures, which may be none, by the title of their section."""
