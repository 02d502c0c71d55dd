"""Linker names to what the programmer wrote: pure text."""
