"""The process that runs Ultralytics; `worker.py` is its program."""
