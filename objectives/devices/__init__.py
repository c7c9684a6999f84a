"""Devices: phones and boards on which artifacts are measured."""
