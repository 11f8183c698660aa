"""Tests that share what is expensive to start run in one process, one after the other.

A server of worker processes stays for the next pool that needs one like it, and ends as soon as one
of another kind is asked for: each kind is a group.
"""

import pytest

#: Worker processes that train in fleets, and those that train with Lightning.
FLEETS = pytest.mark.xdist_group("fleets")
LIGHTNING = pytest.mark.xdist_group("lightning")
#: Actors of one cluster of Ray.
RAY = pytest.mark.xdist_group("ray")
#: What is loaded to write networks for others.
EXPORTS = pytest.mark.xdist_group("exports")
