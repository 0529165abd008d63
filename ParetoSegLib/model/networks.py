"""Networks from MONAI, by name, with arguments that cannot ask for the absurd.

Every network here takes four images and four presence flags and returns one logit a region. The
flags enter as constant channels, so that a network can tell an absent sequence from a dark one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.model.ranges import Number, Numbers, Switch

IN_CHANNELS = 2 * len(MODALITIES)
OUT_CHANNELS = len(REGIONS)

LARGEST_NETWORK = 100_000_000
"""Parameters; nnU-Net's largest preset has 102 million, ours on a CPU have five."""

PATCH_LIMITS = (8, 512)
LARGEST_PATCH = 256**3
"""Voxels; more than this in one window is a mistake, not a wish."""


Arguments = Mapping[str, Any]
_WIDTHS = Numbers(Number(4, 512), 2, 7)
_DROPOUT = Number(0.0, 0.5)


@dataclass(frozen=True)
class NetworkKind:
    """One row of the table of networks.

    Args:
        build: makes the body from checked arguments: (B, 8, D, H, W) → (B, 3, D, H, W).
        ranges: every argument and what it may be.
        defaults: sizes that a CPU runs in seconds; four sizes were timed in the design.
        tiny: a size that trains within a test.
        halvings: how often the deepest level has halved the patch.
        normalises_windows: has InstanceNorm, which needs more than one voxel at the deepest level.
        alike_everywhere: says the same of a voxel wherever the window's edge lies, as far as its
            convolutions do not reach beyond.
    """

    build: Callable[[Arguments], nn.Module]
    ranges: Mapping[str, Number | Numbers | Switch]
    defaults: Arguments
    tiny: Arguments
    halvings: Callable[[Arguments], int]
    normalises_windows: bool = True
    alike_everywhere: Callable[[Arguments], bool] = lambda arguments: False


def _segresnet(arguments: Arguments) -> nn.Module:
    from monai.networks.nets import SegResNet

    return SegResNet(
        in_channels=IN_CHANNELS,
        out_channels=OUT_CHANNELS,
        init_filters=arguments["init_filters"],
        blocks_down=arguments["blocks_down"],
        blocks_up=arguments["blocks_up"],
        dropout_prob=arguments["dropout"] or None,
    )


def _unet(arguments: Arguments) -> nn.Module:
    from monai.networks.nets import UNet

    channels = arguments["channels"]
    return UNet(
        spatial_dims=3,
        in_channels=IN_CHANNELS,
        out_channels=OUT_CHANNELS,
        channels=channels,
        strides=(2,) * (len(channels) - 1),
        num_res_units=arguments["num_res_units"],
        dropout=arguments["dropout"],
    )


def _half_unet(arguments: Arguments) -> nn.Module:
    from ParetoSegLib.model.refinement import HalfUNet

    return HalfUNet(
        in_channels=IN_CHANNELS,
        out_channels=OUT_CHANNELS,
        images=len(MODALITIES),
        filters=arguments["filters"],
        refine=arguments["refine"],
        details=arguments["details"],
        dropout=arguments["dropout"],
        fixed_norms=arguments["fixed_norms"],
    )


def _dynunet(arguments: Arguments) -> nn.Module:
    from monai.networks.nets import DynUNet

    filters = arguments["filters"]
    strides = (1,) + (2,) * (len(filters) - 1)
    return DynUNet(
        spatial_dims=3,
        in_channels=IN_CHANNELS,
        out_channels=OUT_CHANNELS,
        kernel_size=(3,) * len(filters),
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=filters,
        res_block=arguments["res_block"],
        dropout=arguments["dropout"] or None,
        deep_supervision=False,
    )


def _swin_unetr(arguments: Arguments) -> nn.Module:
    from monai.networks.nets import SwinUNETR
    from monai.utils import optional_import

    if not optional_import("einops")[1]:
        raise ModelFolderError(
            "The network SwinUNETR needs the package einops; install it with 'pip install einops'."
        )
    return SwinUNETR(
        in_channels=IN_CHANNELS,
        out_channels=OUT_CHANNELS,
        feature_size=arguments["feature_size"],
        depths=arguments["depths"],
        drop_rate=arguments["dropout"],
    )


def _frozen(**values: object) -> Arguments:
    return MappingProxyType(values)


NETWORKS: Mapping[str, NetworkKind] = MappingProxyType(
    {
        "SegResNet": NetworkKind(
            _segresnet,
            MappingProxyType(
                {
                    # MONAI's GroupNorm has eight groups.
                    "init_filters": Number(8, 64, step=8),
                    "blocks_down": Numbers(Number(1, 8), 2, 6),
                    "blocks_up": Numbers(Number(1, 8), 1, 5),
                    "dropout": _DROPOUT,
                }
            ),
            _frozen(init_filters=16, blocks_down=(1, 2, 2, 4), blocks_up=(1, 1, 1), dropout=0.0),
            _frozen(init_filters=8, blocks_down=(1, 1), blocks_up=(1,), dropout=0.0),
            lambda arguments: len(arguments["blocks_down"]) - 1,
            normalises_windows=False,
        ),
        "UNet": NetworkKind(
            _unet,
            MappingProxyType(
                {"channels": _WIDTHS, "num_res_units": Number(0, 4), "dropout": _DROPOUT}
            ),
            _frozen(channels=(16, 32, 64, 128, 256), num_res_units=2, dropout=0.0),
            _frozen(channels=(8, 16), num_res_units=1, dropout=0.0),
            lambda arguments: len(arguments["channels"]) - 1,
        ),
        "HalfUNet": NetworkKind(
            _half_unet,
            MappingProxyType(
                {
                    "filters": Numbers(Number(4, 512), 3, 7),
                    "refine": Number(0, 32),
                    "details": Number(0, 8),
                    "dropout": _DROPOUT,
                    "fixed_norms": Switch(),
                }
            ),
            _frozen(
                filters=(16, 32, 64, 128, 256), refine=16, details=0, dropout=0.0, fixed_norms=False
            ),
            _frozen(filters=(8, 16, 16), refine=4, details=0, dropout=0.0, fixed_norms=False),
            lambda arguments: len(arguments["filters"]),
            alike_everywhere=lambda arguments: bool(arguments["fixed_norms"]),
        ),
        "DynUNet": NetworkKind(
            _dynunet,
            # MONAI's DynUNet wants an encoder, a bottleneck and at least one level between.
            MappingProxyType(
                {
                    "filters": Numbers(Number(4, 512), 3, 7),
                    "res_block": Switch(),
                    "dropout": _DROPOUT,
                }
            ),
            _frozen(filters=(16, 32, 64, 128, 256), res_block=False, dropout=0.0),
            _frozen(filters=(8, 16, 16), res_block=False, dropout=0.0),
            lambda arguments: len(arguments["filters"]) - 1,
        ),
        "SwinUNETR": NetworkKind(
            _swin_unetr,
            MappingProxyType(
                {
                    "feature_size": Number(12, 48, step=12),
                    "depths": Numbers(Number(1, 4), 4, 4),
                    "dropout": _DROPOUT,
                }
            ),
            _frozen(feature_size=12, depths=(2, 2, 2, 2), dropout=0.0),
            _frozen(feature_size=12, depths=(1, 1, 1, 1), dropout=0.0),
            lambda arguments: 5,
        ),
    }
)
"""Every network a model folder may name."""


class PresenceNetwork(nn.Module):
    """A MONAI network that also sees which sequences are there.

    Args:
        body: network of (B, 8, D, H, W) → (B, 3, D, H, W).
        divisor: every side of a patch must be a multiple of it.
    """

    def __init__(self, body: nn.Module, divisor: int = 1) -> None:
        super().__init__()
        self.body = body
        self.divisor = divisor

    def forward(self, images: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
        """Logits ``(B, 3, D, H, W)`` of images ``(B, 4, D, H, W)`` and flags ``(B, 4)`` 0 or 1."""
        flags = presence.to(images.dtype)[:, :, None, None, None]
        planes = flags.expand(-1, -1, *images.shape[2:])
        return self.body(torch.cat([images, planes], dim=1))


def network_kind(name: object) -> NetworkKind:
    """The row of ``NETWORKS`` for a name.

    Raises:
        ModelFolderError: there is no such network.
    """
    kind = NETWORKS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ModelFolderError(
            f"There is no network named {name!r:.60}; choose one of {', '.join(sorted(NETWORKS))}."
        )
    return kind


def check_arguments(name: str, arguments: Arguments) -> dict[str, Any]:
    """Fill in the defaults and check every argument against its range.

    Returns:
        All arguments of the network ``name``, lists as tuples.

    Raises:
        ModelFolderError: unknown network or argument, or a value out of range.
    """
    kind = network_kind(name)
    unknown = sorted(str(key) for key in arguments if key not in kind.ranges)
    if unknown:
        raise ModelFolderError(
            f"The network {name} has no argument {unknown[0]!r:.60}; "
            f"it has {', '.join(kind.ranges)}."
        )
    checked: dict[str, Any] = {}
    for key, allowed in kind.ranges.items():
        value = arguments.get(key, kind.defaults[key])
        checked[key] = allowed.check(f"The argument {key} of the network {name}", value)
    if name == "SegResNet" and len(checked["blocks_up"]) != len(checked["blocks_down"]) - 1:
        raise ModelFolderError(
            f"The network SegResNet has {len(checked['blocks_up'])} blocks_up and "
            f"{len(checked['blocks_down'])} blocks_down; it needs one fewer up than down."
        )
    return checked


def default_arguments(name: str) -> dict[str, Any]:
    """Arguments of a size that suits a CPU."""
    return dict(network_kind(name).defaults)


def tiny_arguments(name: str) -> dict[str, Any]:
    """Arguments of the smallest useful size, for tests and dry runs."""
    return dict(network_kind(name).tiny)


def build_network(
    name: str, arguments: Arguments, prior: Sequence[float] | None = None
) -> PresenceNetwork:
    """Make a network with fresh weights from torch's global generator.

    Args:
        name: a key of ``NETWORKS``.
        arguments: its arguments; those left out take their defaults.
        prior: expected share of voxels of each region, see ``start_from_prior``.

    Returns:
        A module with ``forward(images (B, 4, D, H, W), presence (B, 4)) → logits (B, 3, D, H, W)``.

    Raises:
        ModelFolderError: unknown network or argument, or a value out of range.
    """
    body = network_kind(name).build(check_arguments(name, arguments))
    network = PresenceNetwork(body, divisor(name, arguments))
    if prior is not None:
        start_from_prior(network, prior)
    return network


def start_from_prior(network: PresenceNetwork, prior: Sequence[float]) -> None:
    """Set the last convolution's bias so that an untrained network expects ``prior``.

    A lesion is a few voxels in a thousand: from a bias of 0 the first hundred steps only learn
    that. The bias is log(p / (1 − p)) (Lin et al. 2017, focal loss, section 3.3).

    Args:
        network: changed in place.
        prior: share of voxels in (0, 1), one for each of ``REGIONS``.
    """
    if len(prior) != OUT_CHANNELS or not all(0.0 < p < 1.0 for p in prior):
        raise ValueError(f"a prior needs {OUT_CHANNELS} shares between 0 and 1, not {prior}")
    heads = [
        module
        for module in network.modules()
        if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d))
        and module.out_channels == OUT_CHANNELS
        and module.bias is not None
    ]
    bias = heads[-1].bias
    assert bias is not None
    with torch.no_grad():
        bias.copy_(torch.tensor([math.log(p / (1.0 - p)) for p in prior]))


def divisor(name: str, arguments: Arguments) -> int:
    """The number that every side of a patch must be a multiple of."""
    return int(2 ** network_kind(name).halvings(check_arguments(name, arguments)))


def window_step(name: str, arguments: Arguments) -> int:
    """What the sides of any window must be multiples of; 0 if it has to be the trained patch.

    Statistics of a window of another size are not those that a network was trained with.
    """
    alike = network_kind(name).alike_everywhere(check_arguments(name, arguments))
    return divisor(name, arguments) if alike else 0


def check_patch(name: str, arguments: Arguments, patch: Sequence[int]) -> tuple[int, int, int]:
    """Return ``patch`` (D, H, W) in voxels if the network can take it.

    Raises:
        ModelFolderError: not three whole numbers, absurdly small or large, not a multiple of
            ``divisor``, or so small that one voxel is left at the network's deepest level.
    """
    if not isinstance(patch, (list, tuple)) or len(patch) != 3:
        raise ModelFolderError(f"The patch is {patch!r:.60}; it must be three whole numbers.")
    low, high = PATCH_LIMITS
    for side in patch:
        Number(low, high).check("The patch's side", side)
    if math.prod(patch) > LARGEST_PATCH:
        raise ModelFolderError(
            f"The patch {_times(patch)} has more than {LARGEST_PATCH} voxels; choose a smaller one."
        )
    step = divisor(name, arguments)
    if any(side % step for side in patch):
        raise ModelFolderError(
            f"The patch is {_times(patch)}; this {name} needs multiples of {step}."
        )
    if network_kind(name).normalises_windows and all(side == step for side in patch):
        raise ModelFolderError(
            f"The patch {_times(patch)} leaves one voxel at the deepest level of this {name}; "
            f"use at least {2 * step} along one side."
        )
    return (patch[0], patch[1], patch[2])


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Every weight of a network once, by its first name, as the network's own tensors.

    A state dict is another thing: MONAI's DynUNet lists each of its weights twice there, and
    whole-number buffers are constants that a network makes itself.
    """
    named = [*network.named_parameters(), *network.named_buffers()]
    return {name: tensor for name, tensor in named if tensor.is_floating_point()}


def weight_shapes(name: str, arguments: Arguments) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight, found without allocating any.

    Raises:
        ModelFolderError: as ``check_arguments``, or more than ``LARGEST_NETWORK`` parameters.
    """
    with torch.device("meta"), _RampsOnCPU():
        network = build_network(name, arguments)
    shapes = {key: tuple(tensor.shape) for key, tensor in weights_of(network).items()}
    count = sum(math.prod(shape) for shape in shapes.values())
    if count > LARGEST_NETWORK:
        raise ModelFolderError(
            f"The network {name} would have {count:,} parameters with these arguments; "
            f"at most {LARGEST_NETWORK:,} are allowed."
        )
    return shapes


class _RampsOnCPU(TorchFunctionMode):
    """MONAI reads a few numbers back from ``torch.linspace`` while it builds SwinUNETR."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.linspace:
            kwargs["device"] = "cpu"
        return func(*args, **kwargs)


def _times(patch: Sequence[int]) -> str:
    return "×".join(str(side) for side in patch)
