"""Stores: where the files of a study are kept, beside the folder of each worker."""
