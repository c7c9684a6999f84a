"""Hands out a trial as files, with a manifest and a model card, and checks such files anywhere."""
