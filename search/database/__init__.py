"""The study database: our tables, and the same trials in Optuna's."""
