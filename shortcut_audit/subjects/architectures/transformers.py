"""`transformers:MODEL_TYPE`: the image classifiers of Hugging Face's transformers, an optional
dependency.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from shortcut_audit.errors import UsageError
from shortcut_audit.registry import register

if TYPE_CHECKING:
    from torch import nn

# keys of a configuration that would load weights or code from elsewhere, or count outputs otherwise
LEFT_OUT = {
    "auto_map",
    "attn_implementation",
    "use_pretrained_backbone",
    "quantization_config",
    "num_labels",
    "id2label",
    "label2id",
}


@register("architecture")
@dataclass(frozen=True)
class Transformers:
    """Names are a configuration's `model_type`: vit, resnet, convnext, swin and so on."""

    def names(self) -> list[str]:
        """What may stand behind the colon, sorted.

        Raises:
            UsageError: transformers is not installed.
        """
        try:
            from transformers.models.auto import modeling_auto
        except ImportError:
            raise UsageError(
                "transformers is not installed; run: pip install 'shortcut-audit[transformers]'"
            ) from None
        return sorted(modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES)

    def build(self, name: str, classes: int, config: str = "{}", **options: Any) -> nn.Module:
        """A network with random weights: (n, c, h, w) normalised -> an object with logits.

        Nothing is downloaded, and no code but the library's own is run.

        Args:
            name: the model type.
            classes: how many outputs.
            config: the text of its config.json.
            options: keys of the configuration that go before those of the text.
        """
        from transformers import AutoConfig, AutoModelForImageClassification

        said = {**json.loads(config), **options}
        said = {key: said[key] for key in said.keys() - LEFT_OUT if not key.startswith("_")}
        own = AutoConfig.for_model(said.pop("model_type", name), **said, num_labels=classes)
        if own.model_type != name:
            raise UsageError(
                f"its configuration is of a '{own.model_type}', and arch names '{name}'"
            )
        made: Any = AutoModelForImageClassification
        network: nn.Module = made.from_config(own, trust_remote_code=False)
        return network.float()

    def own_names(self, network: nn.Module) -> dict[str, str]:
        """Names of tensors in files that the library writes -> in the network, where they differ.

        Files keep the names of their first version, whatever a later one calls its layers.
        """
        try:
            from transformers.core_model_loading import revert_weight_conversion
        except ImportError:  # before version 5 a network's names were those of its files
            return {}
        own, made = network.state_dict(), cast("Any", network)
        places = {(each.data_ptr(), each.shape): name for name, each in own.items()}
        names = {}
        for written, each in revert_weight_conversion(made, dict(own)).items():
            name = places.get((each.data_ptr(), each.shape), written)
            if name != written:
                names[written] = name
        return names
