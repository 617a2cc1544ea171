"""Built-in systems as TOML, and the loader for anyone's own."""

from sojourn.models.scenarios.dual_mode import DualModeScenario
from sojourn.models.scenarios.fields import ScenarioError
from sojourn.models.scenarios.loader import load_scenario, names, parse
from sojourn.models.scenarios.parallel import Scenario, Variant

__all__ = ["DualModeScenario", "Scenario", "ScenarioError", "Variant", "load_scenario", "names", "parse"]
