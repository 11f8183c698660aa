"""Benchmarks: ours beside what a user would write, in one run on one machine."""
