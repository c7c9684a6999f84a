"""Looks up the preprocessing that published weights of torchvision or timm were made for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from paretune.search.errors import UserError

KEYS = ("resize", "crop", "interpolation", "mean", "std")


def concrete_params(params: Mapping[str, Any], architecture: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options of a data set with the values that `preset: weights` stands for.

    Options that the study file gives go before the preset. Without a preset, the options are
    returned as they are.

    Args:
        params: Options of the data set, as JSON.
        architecture: {name: options} of the baseline.

    Raises:
        UserError: The baseline's architecture has no published weights, or they are not those that
            it starts from.
    """
    if params.get("preset") is None:
        return dict(params)
    published = _published(architecture)
    values = {key: params[key] for key in KEYS if params.get(key) is not None}
    concrete = {**params, **published, **values, "preset": None}
    _refuse_black_edges(concrete)
    return concrete


def starts_from_published(architecture: Mapping[str, Any]) -> bool:
    """Returns whether a baseline names published weights; nothing is imported."""
    options = {name: values or {} for name, values in architecture.items()}
    return bool(
        options.get("torchvision", {}).get("weights") or options.get("timm", {}).get("pretrained")
    )


def _refuse_black_edges(params: Mapping[str, Any]) -> None:
    resize, crop = params["resize"], params["crop"]
    short = resize if isinstance(resize, int) else min(resize)
    wide = crop if isinstance(crop, int) else max(crop)
    if wide > short:
        raise UserError(
            f"data: preset: weights: with resize {resize}, the crop of {crop} would have black "
            "edges; give resize and crop together"
        )


def _published(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """Returns resize, crop, interpolation, mean and std of the baseline's published weights.

    Raises:
        UserError: There are none, or the baseline does not start from them.
    """
    [(name, options)] = architecture.items()
    if name == "torchvision":
        return _of_torchvision(options)
    if name == "timm":
        return _of_timm(options)
    raise UserError(
        f"data: preset: weights needs a baseline with published weights of torchvision or timm, "
        f"not {name}; give resize, crop, mean and std"
    )


def _of_torchvision(options: Mapping[str, Any]) -> dict[str, Any]:
    from torchvision import models

    model, weights = options["name"], options.get("weights")
    try:
        enum = models.get_model_weights(model)
        entry = enum[(weights or "DEFAULT").replace(f"{enum.__name__}.", "")]
    except (KeyError, ValueError) as error:
        raise UserError(
            f"data: preset: weights: torchvision has no weights {weights or 'DEFAULT'} of {model}; "
            "give resize, crop, mean and std"
        ) from error
    preset = entry.transforms()
    [resize], [crop] = preset.resize_size, preset.crop_size
    values = {
        "resize": resize,
        "crop": crop,
        "interpolation": preset.interpolation.value,
        "mean": list(preset.mean),
        "std": list(preset.std),
    }
    if weights is None:
        _refuse_guess(f"{model} ({entry.name})", "weights: DEFAULT", values)
    return values


def _of_timm(options: Mapping[str, Any]) -> dict[str, Any]:
    try:
        import timm
    except ImportError as error:
        raise UserError(
            'data: preset: weights: timm is not installed; type: pip install "paretune[timm]"'
        ) from error
    model = options["name"]
    published: Any = timm.get_pretrained_cfg(model)
    if published is None or not published.has_weights:
        raise UserError(
            f"data: preset: weights: timm has no weights of {model}; give resize, crop, mean and "
            "std"
        )
    data: Any = timm.data
    config = data.resolve_data_config({}, pretrained_cfg=published.to_dict())
    values = _timm_values(model, config)
    if not options.get("pretrained"):
        _refuse_guess(model, "pretrained: true", values)
    return values


def _timm_values(model: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what timm's transform for evaluation does, as options of a data set."""
    _, height, width = config["input_size"]
    scale = [math.floor(side / config["crop_pct"]) for side in (height, width)]
    squash = config["crop_mode"] == "squash"
    if config["crop_mode"] == "border" or (not squash and scale[0] != scale[1]):
        raise UserError(
            f"data: preset: weights: {model} was made for images that are resized in a way that "
            "Paretune does not have; prepare them yourself, and give mean and std"
        )
    return {
        "resize": scale if squash else scale[0],
        "crop": [height, width],
        "interpolation": config["interpolation"],
        "mean": list(config["mean"]),
        "std": list(config["std"]),
    }


def _refuse_guess(model: str, option: str, values: Mapping[str, Any]) -> None:
    """Refuses to guess that weights of one's own were trained as the published ones.

    Raises:
        UserError: Always; it shows the options to type.
    """
    line = ", ".join(f"{key}: {value}" for key, value in values.items())
    raise UserError(
        f"data: preset: weights: the baseline does not start from published weights ({option} is "
        "not given), so it is not known how its images were prepared. If that was as for the "
        f"published weights of {model}, type this instead of the preset:\n  {line}"
    )
