"""What everyone stands on: paths, the machine, imports, signals."""
