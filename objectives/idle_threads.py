"""Lets idle threads of training sleep soon, so that a busy host is not blocked by their waiting.

torch trains on the CPU with a team of OpenMP threads, which wait for each other at the end of each
operation. GNU's OpenMP, which torch's Linux packages contain, lets a waiting thread spin for about
3 ms, which is longer than the time slice of a core. Beside other processes the thread that it waits
for often has no core meanwhile: the wait takes the core that the other thread needs. A short spin
bridges the gaps between the operations of a training step; after it, the thread sleeps.

The number of threads stays. It decides in which parts sums are added up, and so the last bits of
the weights: MKL and oneDNN split matrix products and gradients of convolutions among the threads.
Threads that came and went with the load of the host would give other weights in each run.

https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html,
https://openmp.llvm.org/design/Runtimes.html#kmp-blocktime
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

SPINS = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
"""Variable -> its value, of GNU's OpenMP (turns of a loop: about 0.2 ms) and LLVM's (ms)."""

WAIT_POLICY = "OMP_WAIT_POLICY"
"""The variable of any OpenMP by which a user decides how threads wait."""


def let_idle_threads_sleep(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Shortens the spinning of OpenMP's threads in this process and in those that it starts.

    It has to run before torch is imported, as OpenMP reads the variables once.

    Args:
        environment: The variables of the process; those that the user has set stay.

    Returns:
        Whether it has an effect: torch is not imported yet, and the user has decided nothing.
    """
    if "torch" in sys.modules or any(name in environment for name in (WAIT_POLICY, *SPINS)):
        return False
    environment.update(SPINS)
    return True
