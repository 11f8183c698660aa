"""What is known of a study.

- `winner`: what a confirmation found, and how a winner is picked.
- `files`: the best config, the leaderboard, the trained winner, and their files.
- `importance`: what mattered.
- `wording`: how all of this is written, in the terminal and in the report alike.
"""
