"""What the Go toolchain leaves in an ELF file, read from the bytes alone."""
