"""What changed between two files, and what it breaks: a pure function of two snapshots."""
