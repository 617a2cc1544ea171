"""Scenario files, units, reports and plots, as far as all systems share them."""
