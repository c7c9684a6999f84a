"""Params: the concrete, checked values of one option (a technique, an optimizer, ...)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """Base of every option's parameters: frozen, strict, no unknown keys.

    A subclass states each field's type and range once (`Field(ge=..., lt=...)`); the study
    loader checks literals, both ends of every domain and every choice against it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
