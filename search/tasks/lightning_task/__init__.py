"""Drives a LightningModule step by step, as its Trainer would, on outputs of another network."""
