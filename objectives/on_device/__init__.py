"""Objectives on a device: the same quantities and statistics, with the runs of the device."""
