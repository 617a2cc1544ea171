"""What the library is held against: the clock, other tools, other solvers, local minima, the worst-case rule."""
