"""The command line.

- `cli`: each command is a thin call of a public function; `command`: what they share.
- `tables`: what a search found.
- `doctor`: what would trip a user on this machine.
"""
