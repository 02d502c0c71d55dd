"""What the dynamic loader would do: search paths, the closure of dependencies, the binding of symbols."""
