"""Built-in systems as TOML, and the loader for anyone's own."""

from sojourn.models.scenarios.loader import Scenario, ScenarioError, Variant, load_scenario, names, parse

__all__ = ["Scenario", "ScenarioError", "Variant", "load_scenario", "names", "parse"]
