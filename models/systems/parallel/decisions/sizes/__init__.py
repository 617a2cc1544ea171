"""Sizes of servers: their rates, at a given split of the load or together with it."""
