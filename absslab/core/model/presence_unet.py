"""A U-Net that also tells which classes sound in each frame.

Axes: B batch, C channels, K classes, J chosen classes, K′ masks (those of classes, and of a
background where masks compete), M bands, T frames.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from absslab.core.model.network_parts import (
    ChosenClasses,
    MaskLogits,
    convolution_block,
    n_unet_inputs,
    unet_input,
)

_QUIET = -2.0  # first logit of presence: most classes are absent from most frames


class PresenceUNet(nn.Module):
    """A U-Net at half resolution around a recurrent layer that finds the classes of each frame.

    The class of an event is recognised by its whole spectrum and how it changes over time, its
    place in time and frequency by the single bins. So the deepest level is flattened over frequency
    and passed through a bidirectional GRU. What it finds is used twice: skip connections add the
    detail to it, and it tells the presence of each class in each frame, which is trained with the
    tags of the recording. A class gets no bins of frames in which it is not present: the logarithm
    of the presence is added to the logits of its mask.

    No layer computes at full resolution, which is most expensive: the last one gives the logits of
    2 × 2 bins for each of its own.

    Besides the features, the network gets each band relative to its mean over time (which removes a
    steady background) and the frequency of each bin.

    Args:
        n_outputs: K′.
        n_classes: K.
        n_bands: M.
        n_channels: C.
        channels: channels of the three levels, at 1/2, 1/4 and 1/8 of the resolution.
        context: number of units of the GRU in each direction.
        drop_out: probability of dropout at the deepest level.

    Shape:
        (B, C, M, T) → `MaskLogits`.

    Source: Ronneberger et al., arXiv 1505.04597 (U-Net); Çakır et al., arXiv 1702.06286
    (convolutional recurrent); Shi et al., arXiv 1609.05158 (2 × 2 bins from one).
    """

    def __init__(
        self,
        *,
        n_outputs: int,
        n_classes: int,
        n_bands: int,
        n_channels: int = 1,
        channels: Sequence[int] = (32, 64, 128),
        context: int = 128,
        drop_out: float = 0.1,
    ):
        super().__init__()
        c1, c2, c3 = channels
        self.n_outputs = n_outputs
        self.depth = -(-n_bands // 8)  # bands of the deepest level
        self.down1 = nn.Sequential(
            convolution_block(n_unet_inputs(n_channels), c1, kernel=5, stride=2),
            convolution_block(c1, c1),
        )
        self.down2 = nn.Sequential(convolution_block(c1, c2, stride=2), convolution_block(c2, c2))
        self.down3 = nn.Sequential(
            convolution_block(c2, c3, stride=2), convolution_block(c3, c3), nn.Dropout2d(drop_out)
        )
        self.to_context = nn.Sequential(
            nn.Conv1d(c3 * self.depth, 2 * context, 1, bias=False),
            nn.BatchNorm1d(2 * context),
            nn.ReLU(inplace=True),
            nn.Dropout(drop_out),
        )
        self.context = nn.GRU(2 * context, context, bidirectional=True, batch_first=True)
        self.from_context = nn.Conv1d(2 * context, c3 * self.depth, 1)
        self.to_presence = nn.Conv1d(2 * context, n_classes, 1)
        assert self.to_presence.bias is not None
        nn.init.constant_(self.to_presence.bias, _QUIET)
        self.up2 = _Join(c3, c2)
        self.up1 = _Join(c2, c1)
        self.to_bins = nn.Conv2d(c1, 4 * n_outputs, 3, padding=1, bias=False)
        self.to_masks = _Bias(n_outputs)

    def forward(
        self, features: Tensor, choose: Callable[[Tensor], ChosenClasses] | None = None
    ) -> MaskLogits:
        """Compute the logits of masks and of presence.

        Args:
            features: (B, C, M, T).
            choose: chooses the classes whose masks are computed, by the logits of their presence
                (B, K, T); None: all. The logits of classes that stand for several are those of
                their sum.
        """
        M, T = features.shape[-2:]
        x = unet_input(features)  # (B, 2 C + 1, M′, T′)
        half = self.down1(x)  # (B, c1, M′/2, T′/2)
        quarter = self.down2(half)  # (B, c2, M′/4, T′/4)
        eighth = self.down3(quarter)  # (B, c3, M′/8, T′/8)
        context, presence = self._context(eighth)
        up = self.up2(eighth + context, quarter)  # (B, c2, M′/4, T′/4)
        up = self.up1(up, half)  # (B, c1, M′/2, T′/2)
        chosen = None if choose is None else choose(presence)
        weight, bias = self._last_parameters(presence.shape[1], chosen)
        logits = F.pixel_shuffle(F.conv2d(up, weight, padding=1), 2)  # (B, K′, M′, T′)
        presence = F.interpolate(presence, size=logits.shape[-1], mode="linear")  # (B, K, T′)
        of_masks = presence if chosen is None else presence[:, chosen.indices]
        gate = F.pad(F.logsigmoid(of_masks), (0, 0, 0, logits.shape[1] - of_masks.shape[1]))
        logits = logits + (gate + bias[:, None])[:, :, None]  # (B, K′, M′, T′) + (B, K′, 1, T′)
        return MaskLogits(logits[..., :M, :T], presence[..., :T], chosen)

    def _last_parameters(
        self, n_classes: int, chosen: ChosenClasses | None
    ) -> tuple[Tensor, Tensor]:
        """Return weights (4 K′, c1, 3, 3) and bias (K′,) of the masks that are computed."""
        weight, bias = self.to_bins.weight, self.to_masks.bias
        if chosen is None:
            return weight, bias
        background = torch.arange(n_classes, self.n_outputs, device=bias.device)
        outputs = torch.cat([chosen.indices, background])
        rows = 4 * outputs[:, None] + torch.arange(4, device=bias.device)  # of 2 × 2 bins each
        log_weights = F.pad(chosen.weights.log(), (0, len(background)))
        return weight[rows.flatten()], bias[outputs] + log_weights

    def _context(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the context (B, c3, M′/8, T′/8), and the logits of presence (B, K, T′/8)."""
        frames = self.to_context(x.flatten(1, 2))  # (B, 2·context, T′/8)
        # on a CPU a GRU is slower in bfloat16 than in float32
        with torch.autocast(x.device.type, enabled=False):
            frames = frames.float().transpose(1, 2)  # (B, T′/8, 2·context)
            frames = (frames + self.context(frames)[0]).transpose(1, 2)  # (B, 2·context, T′/8)
            presence = self.to_presence(frames)  # (B, K, T′/8)
        context = self.from_context(frames)  # (B, c3 · M′/8, T′/8)
        return context.unflatten(1, (-1, self.depth)), presence


class _Join(nn.Module):
    """Add a level that is twice as coarse to a finer one.

    Shape:
        (B, C, M, T), (B, C′, 2 M, 2 T) → (B, C′, 2 M, 2 T).
    """

    def __init__(self, n_coarse: int, n_fine: int):
        super().__init__()
        self.from_coarse = nn.Conv2d(n_coarse, n_fine, 1, bias=False)
        self.from_fine = nn.Conv2d(n_fine, n_fine, 1, bias=False)
        self.block = nn.Sequential(
            nn.BatchNorm2d(n_fine), nn.ReLU(inplace=True), convolution_block(n_fine, n_fine)
        )

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Add the levels."""
        raised = F.interpolate(self.from_coarse(coarse), scale_factor=2)  # (B, C′, 2 M, 2 T)
        return self.block(raised + self.from_fine(fine))


class _Bias(nn.Module):
    """A number for each channel."""

    def __init__(self, n_channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_channels))
