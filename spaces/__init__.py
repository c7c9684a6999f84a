"""The search spaces: what may change in a network, and the code that changes it.

Each kind of option has an explicit table: a name, and the path of the class behind it.
"""
