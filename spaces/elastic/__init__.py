"""Elastic networks: one network whose subnets share its weights."""
