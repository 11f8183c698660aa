"""What everyone stands on: files, imports, signals, the machine."""
