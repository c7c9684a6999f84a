"""A folder for PYTHONPATH; see `ray_import`."""
