"""Views of a study: tables, figures and the report. Pure until written."""
