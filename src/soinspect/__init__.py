"""Inspect, compare, predict the loading of, and really call the symbols of plugins."""

__version__ = "0.1.0"
