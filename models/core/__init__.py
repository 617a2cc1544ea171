"""What knows no system: from a convex problem to a certified answer, at one point or many."""
