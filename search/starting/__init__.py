"""A first study file for a model: profile, attempts, ranges that fit."""
