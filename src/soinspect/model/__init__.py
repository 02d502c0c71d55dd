"""Facts as frozen values: standard library only, no I/O, no parsing, no formatting."""
