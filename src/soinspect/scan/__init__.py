"""Many files at once: finding them, reading them in parallel, keeping what was read."""
