"""What people and programs see of a study: tables, figures, the report. Pure until written."""
