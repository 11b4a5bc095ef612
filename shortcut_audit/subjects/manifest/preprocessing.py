"""How pictures were prepared, as libraries write it -> the keys of the manifest's `input`.

Keys that nothing is said of are left out. Sources: timm.data.create_transform, and the image
processors of transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shortcut_audit.errors import UsageError

Words = Mapping[Any, Any]
Said = dict[str, Any]

# Pillow's numbers of its filters; the box filter and Hamming's are as good as bilinear, shrinking
FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "bilinear", "bilinear")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
# processors for which one number is the shorter side; for the others it is height and width
OF_THE_SHORTER = (
    "clip",
    "bit",
    "convnext",
    "mobilenet",
    "levit",
    "poolformer",
    "mobilevit",
    "siglip",
)
CONVNEXT_CROPS_BELOW = 384  # pixels, from which ConvNeXt's processor does not crop any more
LEVIT_RESIZES = 256 / 224


def input_of_shape(shape: Sequence[int | None]) -> Said:
    """Size and channels of an input (n, c, h, w), None where it may be any number."""
    if len(shape) != 4:
        return {}
    _, channels, height, width = shape
    said: Said = {}
    if height and width:
        said["size"] = height if height == width else [height, width]
    if channels in (1, 3, 4):
        said["channels"] = channels
    return said


def input_of_timm(words: Words) -> Said:
    """From a `pretrained_cfg`: input_size, crop_pct, crop_mode, interpolation, mean and std.

    Raises:
        UsageError: its pictures are framed in a way that is not known here.
    """
    shape = words.get("input_size")
    if not isinstance(shape, list | tuple) or len(shape) != 3:
        return {}
    said = input_of_shape([None, *shape])
    mode = words.get("crop_mode") or "center"
    if mode not in ("center", "squash"):
        raise UsageError(f"its pictures are framed by timm's crop_mode '{mode}', {_by_hand()}")
    if (crop := words.get("crop_pct")) and float(crop) < 1:
        said["resize"] = int(max(shape[1:]) / float(crop))
    if mode == "squash":
        said["squash"] = True
    if (by := words.get("interpolation")) in INTERPOLATIONS:
        said["interpolation"] = by
    for key in ("mean", "std"):
        if words.get(key):
            said[key] = list(words[key])
    return said


def framing_in(words: Words) -> Said:
    """Size, resize, squash and interpolation, of words that say how a picture is cropped.

    Such are the arguments of torchvision's and timm's own training scripts, a `pretrained_cfg`, and
    the keys of the manifest itself. Empty for other words.
    """
    size = words.get("val_crop_size")
    resize = words.get("val_resize_size")
    if crop := _share(words.get("crop_pct")):
        shape = words.get("input_size")
        size = shape[-1] if isinstance(shape, list | tuple) and shape else words.get("img_size")
        resize = int(float(size) / crop) if _is_side(size) else None  # type: ignore[arg-type]
    elif "mean" in words and ("resize" in words or "squash" in words):
        size, resize = words.get("size"), words.get("resize", words.get("size"))
    if not (_is_side(size) and _is_side(resize)):
        return {}
    said: Said = {"size": size, "resize": resize}
    if words.get("squash") or words.get("crop_mode") == "squash":
        said["squash"] = True
    by = words.get("interpolation")
    return said | ({"interpolation": by} if by in INTERPOLATIONS else {})


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _share(value: Any) -> float | None:
    """A number above 0 and at most 1."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value <= 1 else None


def of_images(words: Words) -> Words:
    """What a processor's file says of images: all of it, or one part."""
    inner = words.get("image_processor", words)
    return inner if isinstance(inner, Mapping) else {}


def refuse_exchanged_colours(words: Words) -> None:
    """Raises UsageError where a processor puts blue before red."""
    if words.get("do_flip_channel_order"):
        raise UsageError(
            "its processor puts blue before red (do_flip_channel_order), which is not done here: "
            "wrap it in a factory of your own (arch: package.module:factory, with "
            "--audit-trust-code) that turns red, green and blue into what it takes"
        )


def input_of_processor(words: Words) -> Said:
    """From a preprocessor_config.json: how pictures are resized, cropped, rescaled, normalised.

    Raises:
        UsageError: its pictures are framed in a way that is not known here.
    """
    refuse_exchanged_colours(words)
    kind = str(words.get("image_processor_type") or words.get("feature_extractor_type") or "")
    return {**_framing(words, kind.lower()), **_normalisation(words, kind.lower())}


def _framing(words: Words, kind: str) -> Said:
    shorter, sides = _resized(words, kind)
    crop = _sides(words.get("crop_size")) if words.get("do_center_crop") else None
    if kind.startswith("convnext") and shorter:
        return {**_cropped_by_share(words, shorter), **_interpolation(words)}
    if kind.startswith("levit") and shorter:
        shorter = int(LEVIT_RESIZES * shorter)
    if kind.startswith("poolformer") and shorter:
        shorter = int(shorter / float(words.get("crop_pct") or 0.9))
    said: Said = {}
    if shorter and crop:
        said = {"size": _written(crop), "resize": shorter}
    elif shorter:
        raise UsageError(
            f"its pictures keep their shape (shortest_edge {shorter}, no crop), {_by_hand()}"
        )
    elif sides and crop:
        said = {"size": _written(crop), "resize": max(sides), "squash": True}
    elif sides or crop:
        said = {"size": _written(sides or crop or ()), **({"squash": True} if sides else {})}
    return {**_without_needless(said), **_interpolation(words)}


def _resized(words: Words, kind: str) -> tuple[int | None, tuple[int, int] | None]:
    """To which shorter side a picture is resized, or else to which height and width."""
    size = words.get("size") if words.get("do_resize", True) else None
    if isinstance(size, int | float) and not isinstance(size, bool):
        of_shorter = kind.startswith(OF_THE_SHORTER)
        return (int(size), None) if of_shorter else (None, (int(size), int(size)))
    if isinstance(size, Mapping) and size.get("shortest_edge"):
        return int(size["shortest_edge"]), None
    return None, _sides(size)


def _sides(size: Any) -> tuple[int, int] | None:
    """Height and width, from a mapping, a list or one number."""
    if isinstance(size, Mapping) and size.get("height") and size.get("width"):
        return int(size["height"]), int(size["width"])
    if isinstance(size, list | tuple) and len(size) == 2:
        return int(size[0]), int(size[1])
    return (int(size), int(size)) if isinstance(size, int | float) and size else None


def _written(sides: Sequence[int]) -> Any:
    """A side, or height and width, as the manifest writes it."""
    return sides[0] if sides[0] == sides[1] else list(sides)


def _cropped_by_share(words: Words, shorter: int) -> Said:
    """As ConvNeXt's processor: small pictures are cropped, large ones squashed."""
    if shorter >= CONVNEXT_CROPS_BELOW:
        return {"size": shorter, "squash": True}
    resize = int(shorter / float(words.get("crop_pct") or 224 / 256))
    return _without_needless({"size": shorter, "resize": resize})


def _without_needless(said: Said) -> Said:
    """Without a `resize` that is the size itself."""
    size = said.get("size", 0)
    longer = max(size) if isinstance(size, list) else size
    return {key: each for key, each in said.items() if key != "resize" or each != longer}


def _interpolation(words: Words) -> Said:
    by = words.get("resample")
    known = isinstance(by, int) and 0 <= by < len(FILTERS)
    return {"interpolation": FILTERS[by]} if known else {}  # type: ignore[index]


def _normalisation(words: Words, kind: str) -> Said:
    """Mean and std of values in [0, 1], from those of values that were rescaled otherwise."""
    means, deviations = words.get("image_mean"), words.get("image_std")
    if not words.get("do_normalize", True):
        means, deviations = [0.0] * 3, [1.0] * 3
    if not isinstance(means, list) or not isinstance(deviations, list):
        return {}
    rescaled = words.get("do_rescale", True)
    factor = 255 * (float(words.get("rescale_factor", 1 / 255)) if rescaled else 1.0)
    shift = 1.0 if rescaled and words.get("rescale_offset") else 0.0
    if kind.startswith("efficientnet") and words.get("include_top", True):
        deviations = [each**2 for each in deviations]  # its processor divides by them twice
    mean = [round((each + shift) / factor, 6) for each in means]
    return {"mean": mean, "std": [round(each / factor, 6) for each in deviations]}


def _by_hand() -> str:
    return "which is not done here: write its 'input' into rashomon.yaml"
