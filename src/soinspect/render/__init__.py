"""Values to text: pure functions, the only layer (with the command line) that knows terminals."""
