"""From a convex problem to a certified answer, at one point or many, for any kind of system."""
