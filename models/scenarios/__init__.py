"""Built-in systems as TOML, and the loader for anyone's own."""

from sojourn.models.scenarios.dual_mode import DualModeScenario
from sojourn.models.scenarios.fields import ScenarioError
from sojourn.models.scenarios.loader import load_scenario, names, parse
from sojourn.models.scenarios.parallel import Scenario, Variant
from sojourn.models.scenarios.units import Units

__all__ = ["DualModeScenario", "Scenario", "ScenarioError", "Units", "Variant", "load_scenario", "names", "parse"]
