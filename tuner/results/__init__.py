"""What is known of a study.

- `winner`: what a confirmation found; `choice`: how a winner is picked, by its `arms`.
- `best`: the best config and its trained network, read from their files; `files`: how those are
  written; `leaderboard`: all trials.
- `front`: the best networks of each size; `stored`: how answers are read back from a store.
- `importance`: what mattered.
- `wording`: how all of this is written, in the terminal and in the report alike.
"""
