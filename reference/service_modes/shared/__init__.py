"""Stages that serve all service modes by processor sharing, in numbers."""
