"""Elastic networks: one network whose subnets share its weights."""

from paretune.spaces.table import Table

SUBNETS = Table("subnet", {"subnet": "paretune.spaces.elastic.subnet:Subnet"})
"""The technique that cuts a subnet out, for `rebuild`; a study file names no subnet itself."""
