"""Thousands of systems: solved in chunks by one process or many, each chunk on disk as soon as it is done."""
