"""Bytes to values: the one place that decodes ELF."""
