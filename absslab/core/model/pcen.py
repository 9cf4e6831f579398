"""Per-channel energy normalisation (PCEN), with parameters that are fixed or learnt.

y = (E · (ε + L)^−α + δ)^r − δ^r, where L is a band's magnitude E, smoothed over time: a steady
sound is divided by its own level, and what changes stands out.

Axes: B batch, M bands, T frames, n smoothers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.recursive_filter import filter_both_ways, filter_frames

_SPREAD = 0.1  # standard deviation of the logits of smoothers before training


class OnePole(nn.Module):
    """Smooths with L[t] = (1 − s) L[t − 1] + s E[t].

    Args:
        s: weight of the newest frame, between 0 and 1.
        is_learnt: s changes in training, as the logistic function of a parameter.

    Shape:
        forward: → numerator (1, 1), denominator (1, 2) of the filter.
    """

    def __init__(self, s: float, *, is_learnt: bool):
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(s).logit(), requires_grad=is_learnt)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return the coefficients of the filter."""
        s = self.logit.sigmoid()
        return s.reshape(1, 1), torch.stack([torch.ones_like(s), s - 1])[None]

    def values(self) -> dict[str, Tensor]:
        """Return what is learnt, by the names of the settings."""
        return {"s": self.logit.sigmoid()[None]}


class LearntFilter(nn.Module):
    """Smooths with a recursive filter whose coefficients are learnt.

    Args:
        numerator: b before training.
        denominator: a before training.
        n_bands: M, if each band has a filter of its own; 1, if all have the same.

    Shape:
        forward: → numerator (M or 1, P), denominator (M or 1, Q) of the filter.
    """

    def __init__(self, numerator: Sequence[float], denominator: Sequence[float], n_bands: int):
        super().__init__()
        self.numerator = nn.Parameter(torch.tensor(numerator).repeat(n_bands, 1))
        # the first coefficient only scales the others
        rest = torch.tensor(denominator[1:]) / denominator[0]
        self.rest = nn.Parameter(rest.repeat(n_bands, 1))
        self.scale = denominator[0]

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return the coefficients of the filter."""
        first = torch.ones_like(self.numerator[:, :1])
        return self.numerator / self.scale, torch.cat([first, self.rest], 1)

    def values(self) -> dict[str, Tensor]:
        """Return what is learnt, by the names of the settings."""
        return {"b": self.numerator.flatten(), "a": (self.rest * self.scale).flatten()}


class Smoothers(nn.Module):
    """Smooths magnitudes by fixed or learnt filters, whose outputs are weighted in each band.

    Args:
        filters: n modules that return the coefficients of a filter.
        n_bands: M.
        both_ways: filter forward and then backward, instead of forward alone.

    Shape:
        (B, M, T), counts (B,) → (B, M, T).
    """

    def __init__(self, filters: Sequence[nn.Module], n_bands: int, *, both_ways: bool):
        super().__init__()
        self.filters = nn.ModuleList(filters)
        self.both_ways = both_ways
        self.logits: nn.Parameter | None = None  # (n, M), of the weights
        if len(filters) > 1:
            self.logits = nn.Parameter(_SPREAD * torch.randn(len(filters), n_bands))

    def forward(self, magnitudes: Tensor, counts: Tensor | None) -> Tensor:
        """Return smoothed magnitudes, which are not negative."""
        smoothed: list[Tensor] = []
        for coefficients in self.filters:
            b, a = coefficients()
            if self.both_ways:
                smoothed.append(filter_both_ways(magnitudes, b, a, counts))
            else:
                smoothed.append(filter_frames(magnitudes, b, a))
        if self.logits is None:
            return smoothed[0].clamp_min(0)
        weights = self.logits.softmax(0)[:, None, :, None]  # (n, 1, M, 1)
        return (weights * torch.stack(smoothed)).sum(0).clamp_min(0)  # (B, M, T)

    def values(self) -> dict[str, Tensor]:
        """Return what is learnt, by the names of the settings."""
        if self.logits is None:
            return self.filters[0].values()  # type: ignore[operator]
        weights = self.logits.softmax(0).mean(1)  # (n,)
        return {"weight": weights}


class PCEN(nn.Module):
    """Divides each band by its recent level, and compresses what is left.

    Args:
        smoothers: (B, M, T) → levels (B, M, T).
        gain: α, the exponent of the level.
        bias: δ.
        power: r.
        floor: ε, added to the level.
        is_learnt: α, δ, r and ε change in training.
        norm: normalises the output, (B, 1, M, T) → (B, 1, M, T).

    Shape:
        gain, bias, power (1 or M,) each; forward: magnitudes (B, 1, M, T), counts (B,) of frames
        that are not padding, or None → (B, 1, M, T).

    Source: Wang et al., arXiv 1607.05666, equation 1; Lostanlen et al., IEEE Signal Processing
    Letters 26(1), 2019.
    """

    def __init__(
        self,
        *,
        smoothers: Smoothers,
        gain: Tensor,
        bias: Tensor,
        power: Tensor,
        floor: float,
        is_learnt: bool,
        norm: nn.Module,
    ):
        super().__init__()
        self.smoothers = smoothers
        self.is_learnt = is_learnt
        self.gain_logit = nn.Parameter(gain.logit(), requires_grad=is_learnt)
        self.log_bias = nn.Parameter(bias.log(), requires_grad=is_learnt)
        self.power_logit = nn.Parameter(power.logit(), requires_grad=is_learnt)
        self.log_floor = nn.Parameter(torch.tensor(floor).log(), requires_grad=is_learnt)
        self.norm = norm

    def forward(self, magnitudes: Tensor, counts: Tensor | None = None) -> Tensor:
        """Return normalised features of magnitudes of bands."""
        energies = magnitudes[:, 0]  # (B, M, T)
        levels = self.smoothers(energies, counts)  # (B, M, T)
        gain = self.gain_logit.sigmoid()[:, None]  # (1 or M, 1)
        bias = self.log_bias.exp()[:, None]
        power = self.power_logit.sigmoid()[:, None]
        divided = energies * (self.log_floor.exp() + levels) ** -gain  # (B, M, T)
        return self.norm(((divided + bias) ** power - bias**power)[:, None])  # (B, 1, M, T)

    @torch.no_grad()
    def values(self) -> dict[str, list[float]]:
        """Return the parameters by name; those of bands one after the other."""
        values = {
            "alpha": self.gain_logit.sigmoid(),
            "delta": self.log_bias.exp(),
            "r": self.power_logit.sigmoid(),
            "eps": self.log_floor.exp()[None],
            **self.smoothers.values(),
        }
        return {name: value.float().cpu().tolist() for name, value in values.items()}


class BandNorm(nn.Module):
    """Batch norm of each band by itself, without weights: (B, 1, M, T) → (B, 1, M, T).

    Args:
        n_bands: M.
    """

    def __init__(self, n_bands: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(n_bands, affine=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return normalised features."""
        return self.norm(features[:, 0])[:, None]


def build_pcen(config: FeatureConfig) -> PCEN | None:
    """Build the PCEN of a model, with its values before training; None: it has none."""
    if config.feature_type != "pcen":
        return None
    n_bands = config.n_bands
    gain = torch.tensor([config.pcen_alpha])
    bias = torch.tensor([config.pcen_delta])
    power = torch.tensor([config.pcen_r])
    if config.train_pcen and config.train_pcen_per_band:
        gain = torch.normal(0.9, 0.05, (n_bands,)).clamp(0.1, 0.995)
        bias = torch.normal(2.0, 0.1, (n_bands,)).clamp(1.0, 3.0)
        power = torch.normal(0.5, 0.05, (n_bands,)).clamp(0.1, 0.9)
    return PCEN(
        smoothers=Smoothers(_build_filters(config), n_bands, both_ways=config.smooths_both_ways),
        gain=gain,
        bias=bias,
        power=power,
        floor=config.pcen_eps,
        is_learnt=config.train_pcen,
        norm=_build_norm(config),
    )


def _build_filters(config: FeatureConfig) -> list[nn.Module]:
    if not config.train_pcen:
        return [OnePole(config.pcen_s, is_learnt=False)]
    if config.train_pcen_b:
        n_filters = config.n_bands if config.train_pcen_filter_per_band else 1
        return [LearntFilter(config.train_pcen_b, config.train_pcen_a, n_filters)]
    if config.train_pcen_s:
        return [OnePole(s, is_learnt=False) for s in config.train_pcen_s]
    return [OnePole(config.pcen_s, is_learnt=True)]


def _build_norm(config: FeatureConfig) -> nn.Module:
    if not config.standardise:
        return nn.Identity()
    if config.normalisation == "band":
        return BandNorm(config.n_bands)
    return nn.BatchNorm2d(1, affine=False)
