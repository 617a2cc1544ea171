"""Convex models of queueing systems whose load must be split."""
