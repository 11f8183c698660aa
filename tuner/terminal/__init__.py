"""The command line.

- `cli`: each command is a thin call of a public function; `command`: what they share.
- `display`: a search while it runs; `tables`: what it found.
- `doctor`: what would trip a user on this machine.
"""
