"""How a network's run is timed.

- A run is one inference of one batch.
- A visit is a few milliseconds of runs of one network, one after the other.
- A round visits every network once: the candidates, the baseline and the reference networks.
- A block is one or more rounds. It loads the networks again, if loading is quick.
- A session is all blocks of one measurement. The interval comes from the scatter of its blocks.
- A run is disturbed if it was interrupted, or shared its processor core. It does not count.
- A block is calm if every network has enough undisturbed runs in it.
"""
