"""Stands in for AMD's package `amdsmi` on hosts without its library.

Ray and Zeus go on without the package if it is missing, but Ray fails if importing it raises
anything but an ImportError. It raises a KeyError without the library (amdsmi 7.0).
"""

raise ImportError("libamd_smi.so is not on this host")
