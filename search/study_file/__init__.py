"""The study file: from YAML text to a checked StudySpec; its JSON Schema; what `check` shows."""
