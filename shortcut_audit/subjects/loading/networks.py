"""arch -> nn.Module: builds a network with random weights, and puts the normalisation inside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from shortcut_audit import registry
from shortcut_audit.errors import UsageError, did_you_mean, machine_fault
from shortcut_audit.subjects.loading.heads import as_channels

UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")
OTHER_WEIGHTS = {
    "weights",
    "pretrained",
    "num_classes",
    "checkpoint_path",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "cache_dir",
}
COLOUR = 3  # channels
OF_A_CONVOLUTION = (
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "padding_mode",
)
CHECKPOINTING = {
    "grad_checkpointing",
    "gradient_checkpointing",
    "use_checkpoint",
    "with_cp",
    "memory_efficient",
}


class Normalised(nn.Module):
    """Images (n, 3, h, w) float32 in [0, 1] -> logits (n, k).

    The architecture's own layers stay reachable under `model`, which takes as many channels as
    there are means. `outputs` makes logits of what the model gives; None: they are logits. With
    `order`, output i is the model's output `order[i]`: the columns then follow the data set's
    classes.
    """

    mean: Tensor  # (1, c, 1, 1)
    std: Tensor  # (1, c, 1, 1)
    order: Tensor | None  # (k,) int64

    def __init__(
        self,
        model: nn.Module,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        order: tuple[int, ...] | None = None,
        outputs: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.outputs = outputs
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("order", None if order is None else torch.tensor(order))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, k)."""
        seen = as_channels(images, self.mean.shape[1])
        given = self.model((seen - self.mean) / self.std)
        logits: Tensor = given if self.outputs is None else self.outputs(given)
        return logits if self.order is None else logits[:, self.order]


def build_architecture(
    arch: str,
    classes: int,
    trust_code: bool = False,
    options: Mapping[str, Any] | None = None,
    size: int | None = None,
) -> nn.Module:
    """A network with random weights that takes normalised images; nothing is ever downloaded.

    `arch` is `SOURCE:NAME` for a registered source (torchvision, timm, shortcut_audit), or
    `package.module:factory`, whose `factory(classes, **options)` returns the network; that imports
    a stranger's code, hence only with `trust_code`. It has `classes` outputs. `options` are keyword
    arguments of the architecture. An architecture that takes pictures of one size only is made for
    `size` (side, pixels), unless an option says otherwise.

    Raises:
        UsageError: no such source, name, factory or option, or code that is not trusted.
        MachineError: an import failed.
    """
    options = dict(options or {})
    source, colon, name = arch.partition(":")
    sources = registry.names("architecture")
    if not colon or not source or not name:
        raise UsageError(
            f"arch '{arch}' must be SOURCE:NAME, e.g. 'torchvision:resnet18'; "
            f"sources are {', '.join(sources)}"
        )
    if source not in sources:
        return _from_factory(arch, classes, trust_code, options)
    entry = registry.build("architecture", source)
    known = entry.names()
    if name not in known:
        raise UsageError(f"{source} has no classifier called '{name}'{_hint(name, known)}")
    for option in sorted(OTHER_WEIGHTS & options.keys()):
        raise UsageError(
            f"arch_options cannot have '{option}': all weights come from the checkpoint, "
            "and 'classes' counts them"
        )
    fitting = entry.fitting(name, size, options) if size and hasattr(entry, "fitting") else {}
    with _options_named(arch, options):
        network: nn.Module = entry.build(name, classes, **{**fitting, **options})
    return network


@contextmanager
def _options_named(arch: str, options: Mapping[str, Any]) -> Iterator[None]:
    """A keyword argument that the builder does not take becomes one sentence."""
    try:
        yield
    except TypeError as error:
        unknown = UNEXPECTED.search(str(error))
        if not options or not unknown:
            raise
        raise UsageError(
            f"'{arch}' takes no '{unknown[1]}', which arch_options give; leave it out or correct it"
        ) from None


def _from_factory(
    arch: str, classes: int, trust_code: bool, options: Mapping[str, Any]
) -> nn.Module:
    """The network that a factory of the user's own returns; its module is imported for that."""
    module, _, name = arch.partition(":")
    if not trust_code:
        hint = did_you_mean(module, registry.names("architecture"))
        raise UsageError(
            f"no source of architectures called '{module}'{hint} (code of your own, '{arch}', "
            "needs --audit-trust-code in pytest, --trust-code elsewhere)"
        )
    factory = _imported(arch)
    with _options_named(arch, options):
        network = factory(classes, **options)
    if not isinstance(network, nn.Module):
        raise UsageError(
            f"arch '{arch}': {name}({classes}) must return a torch.nn.Module, "
            f"not {type(network).__name__}"
        )
    return network


def _imported(arch: str) -> Any:
    """The factory behind `package.module:factory`.

    Raises:
        UsageError: there is no such module or factory.
        MachineError: the module is there, and something that it imports failed.
    """
    module, _, name = arch.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        lacking = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(
            f"{error.name}."
        )
        if isinstance(error, ImportError) and not lacking:
            raise machine_fault(error) or error from None
        raise UsageError(
            f"arch '{arch}': {error}; '{module}' must be importable (see PYTHONPATH) "
            f"and define '{name}'"
        ) from None


def taking(network: nn.Module, channels: int) -> nn.Module:
    """The same network, whose first convolution takes pictures of so many channels.

    It gets a new layer with random weights where it takes another number: the file's own replace
    them.

    Raises:
        UsageError: it has no convolution of three channels whose place is known.
    """
    if channels == COLOUR:
        return network
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and module.in_channels in (COLOUR, channels):
            if module.in_channels == COLOUR:
                parent, _, last = name.rpartition(".")
                own = {each: getattr(module, each) for each in OF_A_CONVOLUTION}
                replaced = nn.Conv2d(channels, bias=module.bias is not None, **own)
                setattr(network.get_submodule(parent), last, replaced)
            return network
    raise UsageError(
        f"it has no convolution of {COLOUR} channels that could take {channels}: leave "
        "'input: {channels: ...}' out, and let a factory of your own build it"
    )


def without_checkpointing(network: nn.Module) -> nn.Module:
    """The same network, its gradient checkpointing switched off.

    Checkpointing saves memory in training, and torch.func does not work with it. timm's and Hugging
    Face's switches are used, and the wrappers of torch.distributed removed.

    Law: the answers stay the same.
    """
    for module in list(network.modules()):
        for flag in CHECKPOINTING & vars(module).keys():
            if isinstance(vars(module)[flag], bool):
                setattr(module, flag, False)
        for name, child in list(module.named_children()):
            wrapped = getattr(child, "_checkpoint_wrapped_module", None)
            while isinstance(wrapped, nn.Module):
                setattr(module, name, wrapped)
                wrapped = getattr(wrapped, "_checkpoint_wrapped_module", None)
    return network


def _hint(name: str, known: list[str]) -> str:
    """As `did_you_mean`; of ten names or more one stands for all."""
    hint = did_you_mean(name, known)
    if "did you mean" in hint or len(known) < 10:
        return hint
    return f"; it has {len(known)}, such as '{known[0]}'"
