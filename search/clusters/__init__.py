"""Clusters: which machine runs a stage of a trial."""
