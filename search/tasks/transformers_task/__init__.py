"""Hugging Face models with the ingredients of a Trainer."""
