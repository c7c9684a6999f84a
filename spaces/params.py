"""Params: the concrete, checked values of one option (a technique, an optimizer, ...)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """Base class of every option's parameters: frozen, strict, without unknown keys.

    A subclass states the type and range of each field once (`Field(ge=..., lt=...)`). The study
    loader checks literals, both ends of every domain and every choice against them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
