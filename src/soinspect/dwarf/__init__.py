"""DWARF: what compilers write down about functions and types, read only as far as exports reach."""
