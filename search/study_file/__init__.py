"""The study file: YAML text -> a checked StudySpec, its JSON Schema, what `check` says of it."""
