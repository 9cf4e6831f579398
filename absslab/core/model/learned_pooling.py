"""Poolings with weights that are learned: mask over time and frequency → probability of its class.

Each class is pooled by its own weights, and sees its own mask alone. Those that know masks of one
size only pool other sizes by windows, and take the largest probability.

Axes: B batch, K classes, M bands, T frames, T₀ frames that a pooling of a fixed size knows. All
take masks (B, K, M, T) in [0, 1] and, for recordings that were padded to a common length,
`n_frames` (B,): the number of frames that are not padding. All return (B, K) in [0, 1].
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.model.convolution_blocks import (
    Block,
    BlockConfig,
    make_blocks_config,
    size_after,
)
from absslab.core.model.network_parts import real_frames
from absslab.core.model.ranked_values import rank_values


class MaskSize(NamedTuple):
    """Size of the masks that a pooling gets."""

    n_classes: int
    n_bands: int
    n_frames: int | None = None  # None: any


class AdaptiveGWRP(nn.Module):
    """Global weighted rank pooling whose decay r is learned: Σ rʲ x₍ⱼ₎ / Σ rʲ per class.

    r is the logistic function of a weight, so that it stays in (0, 1), and its gradient passes
    through all powers of it.

    Args:
        decays: r of each class at the beginning, (K,) numbers in (0, 1).

    Shape:
        (B, K, M, T) → (B, K).

    Source: the thesis' AdaptiveGlobalWeightedRankPooling2d, whose gradient was cut;
    Kolesnikov, Lampert, arXiv 1603.06098.
    """

    def __init__(self, decays: Sequence[float]):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(decays).logit())  # (K,)

    @property
    def decays(self) -> Tensor:
        """The decay r of each class: (K,)."""
        return self.logits.sigmoid()

    def forward(self, masks: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Pool masks."""
        masks = masks.masked_fill(~real_frames(masks, n_frames), 0)
        ranked = rank_values(masks.flatten(2))  # (B, K, M·T)
        ranks = torch.arange(ranked.shape[-1], device=masks.device)  # (M·T,)
        log_decays = F.logsigmoid(self.logits)[:, None]  # (K, 1)
        weights = torch.exp(log_decays * ranks).to(masks.dtype)  # (K, M·T)
        pooled = torch.einsum("bkn,kn->bk", ranked, weights)
        if n_frames is None:
            return (pooled / weights.sum(1)).clamp(0, 1)
        counts = n_frames.to(masks.device) * masks.shape[2]  # (B,)
        totals = weights.cumsum(1)[:, (counts - 1).long()].T  # (B, K)
        return (pooled / totals).clamp(0, 1)


class AutoPool(nn.Module):
    """Exponential softmax pooling whose sharpness a is learned: Σ x eᵃˣ / Σ eᵃˣ per class.

    Args:
        n_classes: K.
        sharpness: a of each class at the beginning; 0 gives the mean, ∞ the maximum.

    Shape:
        (B, K, M, T) → (B, K).

    Source: McFee, Salamon, Bello, arXiv 1804.10070, equation 8.
    """

    def __init__(self, *, n_classes: int, sharpness: float = 1.0):
        super().__init__()
        self.sharpness = nn.Parameter(torch.full((n_classes,), sharpness))  # (K,)

    def forward(self, masks: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Pool masks."""
        scores = self.sharpness[:, None, None] * masks  # (B, K, M, T)
        scores = scores.masked_fill(~real_frames(masks, n_frames), -torch.inf)
        return (masks.flatten(2) * scores.flatten(2).softmax(-1)).sum(-1)  # (B, K)


class Attention(nn.Module):
    """A mean over bands and frames whose weights are learned, and depend on what frames hold.

    Bands have fixed weights per class; the weight of a frame is an exponential of a linear function
    of its mask. At the beginning all weights are equal, and it is the mean.

    Args:
        n_classes: K.
        n_bands: M.

    Shape:
        (B, K, M, T) → (B, K).

    Source: Kong, Xu, Wang, Plumbley, arXiv 1711.00927, with masks as the values of frames.
    """

    def __init__(self, *, n_classes: int, n_bands: int):
        super().__init__()
        self.bands = nn.Parameter(torch.zeros(n_classes, n_bands))  # (K, M)
        self.frames = nn.Parameter(torch.zeros(n_classes, n_bands))  # (K, M)

    def forward(self, masks: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Pool masks."""
        values = torch.einsum("bkmt,km->bkt", masks, self.bands.softmax(1))
        scores = torch.einsum("bkmt,km->bkt", masks, self.frames)
        if n_frames is not None:
            padding = ~real_frames(masks, n_frames)[:, 0]  # (B, 1, T)
            scores = scores.masked_fill(padding, -torch.inf)
        return (values * scores.softmax(2)).sum(2).clamp(0, 1)  # (B, K)


class PerClassLinear(nn.Module):
    """A linear layer with one output for each class, from the values of this class alone.

    Args:
        n_classes: K.
        n_inputs: I.
        use_bias: whether a number per class is added.

    Shape:
        (B, K, I) → (B, K).
    """

    def __init__(self, n_classes: int, n_inputs: int, *, use_bias: bool = True):
        super().__init__()
        limit = 1 / math.sqrt(n_inputs)  # as in torch's linear layers
        self.weight = nn.Parameter(torch.empty(n_classes, n_inputs).uniform_(-limit, limit))
        self.bias = None
        if use_bias:
            self.bias = nn.Parameter(torch.empty(n_classes).uniform_(-limit, limit))

    def forward(self, values: Tensor) -> Tensor:
        """Add up weighted values."""
        total = (values * self.weight).sum(2)  # (B, K)
        return total if self.bias is None else total + self.bias


def pool_windows(
    pool: Callable[[Tensor], Tensor], masks: Tensor, n_frames: Tensor | None, size: int
) -> Tensor:
    """Pool masks of any number of frames by one that knows T₀ of them, as the largest of windows.

    Windows begin every T₀ / 2 frames, the last one ends with the recording; what a shorter
    recording lacks is silence.

    Args:
        pool: (W, K, M, T₀) → (W, K), for W windows.
        masks: (B, K, M, T).
        n_frames: (B,), frames that are not padding.
        size: T₀.

    Shape:
        (B, K, M, T) → (B, K).
    """
    lengths = [masks.shape[-1]] * len(masks) if n_frames is None else n_frames.tolist()
    windows = []
    counts = []
    for mask, length in zip(masks, lengths, strict=True):
        starts = [*range(0, length - size, max(1, size // 2)), max(0, length - size)]
        padded = F.pad(mask[..., :length], (0, max(0, size - length)))  # (K, M, ≥ T₀)
        windows += [padded[..., start : start + size] for start in starts]
        counts.append(len(starts))
    pooled = pool(torch.stack(windows))  # (W, K)
    return torch.stack([part.amax(0) for part in pooled.split(counts)])  # (B, K)


class FullyConnected(nn.Module):
    """A linear layer over all bins of a mask, for each class its own.

    Args:
        size: of the masks, with the number of frames.
        use_bias: whether the layers have a bias.
        sort: whether values are sorted first, largest first, so that their places do not matter.
        activation: of the output.

    Shape:
        (B, K, M, T) → (B, K).

    Source: the thesis' ChannelWiseFC2d.
    """

    def __init__(
        self, *, size: MaskSize, use_bias: bool = True, sort: bool = False, activation: str = "sig"
    ):
        super().__init__()
        assert size.n_frames is not None
        self.n_frames = size.n_frames
        self.sort = sort
        self.linear = PerClassLinear(
            size.n_classes, size.n_bands * size.n_frames, use_bias=use_bias
        )
        self.activation = OUTPUTS[activation]

    def forward(self, masks: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Pool masks."""
        return pool_windows(self._pool, masks, n_frames, self.n_frames)

    def _pool(self, masks: Tensor) -> Tensor:
        values = masks.flatten(2)  # (B, K, M·T₀)
        if self.sort:
            values = rank_values(values)
        return self.activation(self.linear(values))


class ConvolutionPooling(nn.Module):
    """Convolutions over each mask alone, then a linear layer for each class.

    Args:
        size: of the masks, with the number of frames.
        blocks: of the convolutions, with a group for each class.
        use_bias: whether the linear layers have a bias.
        sort: whether their values are sorted first, largest first.
        activation: of the output.

    Shape:
        (B, K, M, T) → (B, K).

    Source: the thesis' DepthWiseCNNClassifier.
    """

    def __init__(
        self,
        *,
        size: MaskSize,
        blocks: Sequence[BlockConfig],
        use_bias: bool = True,
        sort: bool = False,
        activation: str = "sig",
    ):
        super().__init__()
        assert size.n_frames is not None
        self.n_frames = size.n_frames
        self.blocks = nn.Sequential(*(Block(block) for block in blocks))
        M, T = size_after(blocks, (size.n_bands, size.n_frames))
        reduced = MaskSize(size.n_classes, M, T)
        self.fully_connected = FullyConnected(
            size=reduced, use_bias=use_bias, sort=sort, activation=activation
        )

    def forward(self, masks: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Pool masks."""
        return pool_windows(self._pool, masks, n_frames, self.n_frames)

    def _pool(self, masks: Tensor) -> Tensor:
        return self.fully_connected(self.blocks(masks))


class RecurrentPooling(nn.Module):
    """A recurrent layer over the frames of each mask, then a linear layer for each class.

    The recurrent layer is the same for all classes; its last state, or the last ones of both
    directions, is what the linear layers get.

    Args:
        n_classes: K.
        n_bands: M.
        cell_type: one of `CELLS`.
        hidden_size: units in each direction.
        n_layers: recurrent layers after each other.
        use_bias: whether they have biases.
        drop_out: probability of dropout between them.
        bidirectional: whether they also run backwards.
        linear_bias: whether the linear layers have a bias.
        sort: whether their values are sorted first, largest first.
        activation: of the output.

    Shape:
        (B, K, M, T) → (B, K).

    Source: the thesis' ChannelWiseRNNClassifier.
    """

    def __init__(
        self,
        *,
        n_classes: int,
        n_bands: int,
        cell_type: str = "GRU",
        hidden_size: int = 40,
        n_layers: int = 1,
        use_bias: bool = True,
        drop_out: float = 0.0,
        bidirectional: bool = False,
        linear_bias: bool = True,
        sort: bool = False,
        activation: str = "sig",
    ):
        super().__init__()
        self.n_directions = 2 if bidirectional else 1
        self.recurrent = CELLS[cell_type](
            n_bands,
            hidden_size,
            n_layers,
            bias=use_bias,
            dropout=drop_out if n_layers > 1 else 0.0,
            bidirectional=bidirectional,
            batch_first=True,
        )
        self.sort = sort
        self.linear = PerClassLinear(
            n_classes, hidden_size * self.n_directions, use_bias=linear_bias
        )
        self.activation = OUTPUTS[activation]

    def forward(self, masks: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Pool masks."""
        B, K = masks.shape[:2]
        frames = masks.flatten(0, 1).mT  # (B·K, T, M)
        sequences: Any = frames
        if n_frames is not None:
            lengths = n_frames.cpu().repeat_interleave(K)  # (B·K,)
            sequences = nn.utils.rnn.pack_padded_sequence(
                frames, lengths, batch_first=True, enforce_sorted=False
            )
        _, state = self.recurrent(sequences)
        last = state[0] if isinstance(state, tuple) else state  # (layers · directions, B·K, H)
        last = last[-self.n_directions :].transpose(0, 1).flatten(1)  # (B·K, directions · H)
        values = last.unflatten(0, (B, K))  # (B, K, directions · H)
        if self.sort:
            values = rank_values(values)
        return self.activation(self.linear(values))  # (B, K)


class Rescaler(nn.Module):
    """Moves and stretches the logits of probabilities, for each class its own: σ(w logit p + b).

    At the beginning w = 1 and b = 0, which changes nothing.

    Args:
        n_classes: K.

    Shape:
        (B, K) → (B, K).

    Source: the thesis' PredictionReScaler, which took σ(w p) and never fell below 0.5 for w > 0.
    """

    def __init__(self, n_classes: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_classes))
        self.bias = nn.Parameter(torch.zeros(n_classes))

    def forward(self, probabilities: Tensor) -> Tensor:
        """Rescale probabilities."""
        logits = torch.logit(probabilities.float(), eps=1e-6)
        return torch.sigmoid(self.weight * logits + self.bias)


OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "sig": torch.sigmoid,
    "softmax": lambda logits: logits.softmax(1),  # over the classes: exactly one is present
}
CELLS: dict[str, Any] = {"GRU": nn.GRU, "LSTM": nn.LSTM, "Elman": nn.RNN}


@dataclass(frozen=True)
class AdaptiveGWRPConfig(Config):
    """Global weighted rank pooling whose decay is learned."""

    first_decay: tuple[float, ...] = option(
        (0.9,),
        "decay at the beginning of the training, one for all classes or one per class",
        above=0,
        at_most=0.99999,
    )

    def for_classes(self, n_classes: int) -> tuple[float, ...]:
        """Return the decay of each class.

        Raises:
            InputError: there are as many decays as neither 1 nor the number of classes.
        """
        if len(self.first_decay) == 1:
            return self.first_decay * n_classes
        if len(self.first_decay) != n_classes:
            raise InputError(
                f"first_decay has {len(self.first_decay)} values: expected {n_classes}, one per "
                "class, or one for all"
            )
        return self.first_decay


@dataclass(frozen=True)
class AutoPoolConfig(Config):
    """Exponential softmax pooling whose sharpness is learned."""

    first_sharpness: float = option(
        1.0, "sharpness at the beginning; 0 gives the mean, infinity the maximum", at_least=0
    )


def _bias_option() -> Any:
    return option(True, "whether the linear layer of each class has a bias")


def _sort_option() -> Any:
    return option(False, "sort what the linear layers get, so that its places do not matter")


def _activation_option() -> Any:
    return option(
        "sig",
        "output of the linear layers; sig: each class alone; softmax: one class is present",
        choices=OUTPUTS,
    )


def _frames_option() -> Any:
    return option(
        None,
        "length of the recordings; by default that of the training recordings, which must be equal",
        unit="frames",
        at_least=1,
    )


@dataclass(frozen=True)
class FullyConnectedConfig(Config):
    """A linear layer over all bins of each mask; recordings must have one length."""

    fc_bias: bool = _bias_option()
    fc_sort: bool = _sort_option()
    fc_activation: str = _activation_option()
    recording_frames: int | None = _frames_option()


ConvolutionConfig = make_blocks_config(
    __name__,
    "ConvolutionConfig",
    "cnn_",
    """Convolutions over each mask alone, then a linear layer; recordings must have one length.

    Give one value per block, or one for all.
    """,
    {
        "n_blocks": 1,
        "conv_k_f": (5,),
        "conv_k_t": (5,),
        "conv_s_f": (3,),
        "conv_s_t": (3,),
        "conv_pad_type": "zero",
        "conv_p_f": (0,),
        "conv_p_t": (0,),
        "pooling_type": "none",
        "pool_k_f": (0,),
        "pool_k_t": (0,),
        "pool_s_f": (0,),
        "pool_s_t": (0,),
        "pool_pad_type": "reflection",
        "pool_p_f": (0,),
        "pool_p_t": (0,),
        "dropout_type": "1D",
        "dropout_probs": (0.0,),
        "use_batch_norm": False,
        "activations": ("lr",),
    },
    fc_bias=(bool, _bias_option()),
    fc_sort=(bool, _sort_option()),
    fc_activation=(str, _activation_option()),
    recording_frames=(int | None, _frames_option()),
)


def build_convolution_pooling(config: Any, size: MaskSize) -> ConvolutionPooling:
    """Build a pooling of convolutions, from a `ConvolutionConfig`.

    Raises:
        InputError: the masks are too small for the convolutions.
    """
    K = size.n_classes
    return ConvolutionPooling(
        size=size,
        blocks=config.blocks(K, K, n_groups=K),
        use_bias=config.fc_bias,
        sort=config.fc_sort,
        activation=config.fc_activation,
    )


@dataclass(frozen=True)
class RecurrentConfig(Config):
    """A recurrent layer over the frames of each mask, then a linear layer."""

    rnn_cell: str = option(
        "GRU", "kind of the recurrent layer", choices=CELLS, value_aliases={"RNN": "Elman"}
    )
    rnn_units: int = option(40, "units of the recurrent layer in each direction", at_least=1)
    rnn_layers: int = option(1, "recurrent layers after each other", at_least=1, at_most=16)
    rnn_bias: bool = option(True, "whether the recurrent layers have biases")
    rnn_drop_out: float = option(
        0.0, "probability of dropout between recurrent layers", at_least=0, at_most=0.99
    )
    rnn_bidirectional: bool = option(False, "whether the recurrent layers also run backwards")
    fc_bias: bool = _bias_option()
    fc_sort: bool = _sort_option()
    fc_activation: str = _activation_option()
