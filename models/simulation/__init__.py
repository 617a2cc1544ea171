"""Simulation of stations and jobs, independent of all closed forms; it knows no system."""
