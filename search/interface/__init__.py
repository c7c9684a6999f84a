"""The public Python interface: studies, trials and fronts as objects."""
