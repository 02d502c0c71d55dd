"""What a shared object is a plugin for: rules as data, and the little that reads and judges by them."""
