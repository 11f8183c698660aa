"""Tests that share what is expensive to start run in one process, one after the other.

A server of worker processes stays for the next pool that needs one like it, and ends as soon as one
of another kind is asked for: each kind is a group.
"""

import re

#: The tests of each group, by their ids.
GROUPS = {
    # Actors of one cluster of Ray.
    "ray": r"_on_ray\]",
    # Worker processes that train in fleets.
    "fleets": r"""
        \[(fleets|stuck)_elsewhere\]
        | test_forks\.py::test_workers_are_those_that_were_started_ahead\[linux-False
        | test_search\.py::test_several_processes(_are_all_busy)?\[fleet
        | TestProcesses::test_(they_compute|what_they_start|a_crew|a_process)
    """,
    # Those that have loaded Lightning.
    "lightning": r"""
        \[solos_elsewhere\]
        | test_module_workers\.py::test_(\w+\[elsewhere|close_ends)
        | test_module_search\.py::test_several_processes
        | test_forks\.py::test_workers_are_those_that_were_started_ahead\[linux-True
        | test_search\.py::test_several_processes(_are_all_busy)?\[solo
    """,
    # A server of PostgreSQL.
    "postgres": r"test_postgres\.py::",
    # What is loaded to write networks for others.
    "exports": r"test_exporting\.py::",
}


def group_of(test: str) -> str:
    """Returns the group of a test; one that is in none is its own.

    >>> group_of("tests/workers/test_workers.py::test_divergence_is_told[solos_elsewhere]")
    'lightning'
    >>> group_of("tests/test_public.py::test_public_names")
    'tests/test_public.py::test_public_names'
    """
    found = (name for name, tests in GROUPS.items() if re.search(tests, test, re.VERBOSE))
    return next(found, test)
