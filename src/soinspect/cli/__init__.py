"""The command line: options to values, one call, print. Only here are argv, environment and terminal read."""
