"""Measures artifacts on devices: phones and boards that a target of a study names.

- A device is reached by its address: `ssh://pi@cam`, `adb://SERIAL`, `local://?cpus=0-1`.
- A transport starts a program on the device and connects to it: the system's `ssh` or `adb`, or a
  process of this machine. The device runs no daemon and opens no port.
- The runner is our program on the device, the file `runner.py`. It needs Python 3.8, NumPy and the
  package of the runtime.
- A link is the conversation with a runner: lines of JSON, and arrays and files by their length.
- The lease of a device is a file lock there. One measurement holds it, of any study on any host.
- A device is lost if it cannot be reached or does not answer. Trials wait for it.
- A device is refused if it can be reached and cannot measure. A person has to change something.
"""
