"""Facts of several layers put together."""
