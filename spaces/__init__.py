"""What may change in a network, and how to change it.

The tables in this room are explicit: a name, and the place of the class that carries it.
"""
