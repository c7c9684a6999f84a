"""What a study is: its specification, plans, records and tables of names."""
