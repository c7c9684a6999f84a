"""A study: its specification, plans, records and tables of names."""
