"""What a host makes of plugins: pure functions of the facts of both sides."""
