"""Load a file and run what is in it: the only layer that starts processes."""
