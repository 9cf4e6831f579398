"""Per-channel energy normalisation (PCEN), with parameters that are fixed or learnt.

y = (E · (ε + L)^−α + δ)^r − δ^r, where L is a band's magnitude E, smoothed over time: a steady
sound is divided by its own level, and what changes stands out.

Axes: B batch, C channels, M bands, T frames, n smoothers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.recursive_filter import (
    denominator_of,
    filter_both_ways,
    filter_frames,
    find_reflections,
)
from absslab.core.model.unpadded_norm import UnpaddedNorm

LARGEST_REFLECTION = 0.999  # of filters that are learnt; at 1 they would never forget
_CHANGE = 0.1  # the most by which logits of several PCENs differ before training
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
        """Return the weight of the newest frame."""
        return {"s": self.logit.sigmoid()[None]}


class LearntFilter(nn.Module):
    """Smooths with a recursive filter whose coefficients are learnt.

    Whatever is learnt, it stays stable: reflection coefficients stay between −1 and 1. Its
    numerator stays positive.

    Args:
        numerator: b before training, above 0.
        denominator: a before training, of a stable filter.
        n_bands: M, if each band has a filter of its own; 1, if all have the same.

    Shape:
        forward: → numerator (M or 1, P), denominator (M or 1, Q) of the filter, a₀ = 1.
    """

    def __init__(self, numerator: Sequence[float], denominator: Sequence[float], n_bands: int):
        super().__init__()
        scaled = torch.tensor(numerator) / denominator[0]
        reflections = torch.tensor(find_reflections(denominator)) / LARGEST_REFLECTION
        self.log_numerator = nn.Parameter(scaled.log().repeat(n_bands, 1))
        self.reflection_logits = nn.Parameter(reflections.atanh().repeat(n_bands, 1))

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return the coefficients of the filter."""
        reflections = LARGEST_REFLECTION * self.reflection_logits.tanh()
        return self.log_numerator.exp(), denominator_of(reflections)

    def values(self) -> dict[str, Tensor]:
        """Return the coefficients, each with its values in all bands."""
        numerator, denominator = self()
        values = {f"b{place}": numerator[:, place] for place in range(numerator.shape[1])}
        for place in range(1, denominator.shape[1]):
            values[f"a{place}"] = denominator[:, place]
        return values


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
        """Return what is learnt; the weight of each smoother has a value per band."""
        if self.logits is None:
            return self.filters[0].values()  # type: ignore[operator]
        named: dict[str, Tensor] = {}
        for smoother, weights in zip(self.filters, self.logits.softmax(0), strict=True):
            [s] = smoother.values()["s"].tolist()  # type: ignore[operator]
            named[f"weight of s = {s:.3g}"] = weights  # (M,)
        return named


class PCEN(nn.Module):
    """Divides each band by its recent level, and compresses what is left.

    Args:
        smoothers: (B, M, T) → levels (B, M, T).
        gain: α, the exponent of the level.
        bias: δ.
        power: r.
        floor: ε, added to the level.
        is_learnt: α, δ, r and ε change in training.
        norm: normalises the output, (B, M, T) → (B, M, T); None: it is not normalised here.

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
        norm: UnpaddedNorm | None,
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
        """Return features of magnitudes of bands."""
        energies = magnitudes[:, 0]  # (B, M, T)
        bias, power = self._bias_and_power()
        divided = energies * self._factors(energies, counts)  # (B, M, T)
        features = (divided + bias) ** power - bias**power  # (B, M, T)
        if self.norm is not None:
            features = self.norm(features, counts)
        return features[:, None]  # (B, 1, M, T)

    def invert(self, features: Tensor, mixture: Tensor) -> Tensor:
        """Return the magnitudes that have given features where a mixture has its levels.

        The levels that magnitudes are divided by can't be told from the features, so they are
        those of the mixture. Outside of training it is the inverse of `forward` for the mixture.

        Args:
            features: what the magnitudes become; those that no magnitude has give 0.
            mixture: magnitudes of the mixture.

        Shape:
            (B, 1, M, T), (B, 1, M, T) → (B, 1, M, T).
        """
        changed = features[:, 0]  # (B, M, T)
        if self.norm is not None:
            changed = self.norm.invert(changed)
        bias, power = self._bias_and_power()
        divided = (changed + bias**power).clamp_min(0) ** (1 / power) - bias  # (B, M, T)
        energies = divided / self._factors(mixture[:, 0], None)  # (B, M, T)
        return energies.clamp_min(0)[:, None]  # (B, 1, M, T)

    def _factors(self, energies: Tensor, counts: Tensor | None) -> Tensor:
        """Return what each magnitude is multiplied by, (ε + L)^−α: (B, M, T)."""
        levels = self.smoothers(energies, counts)  # (B, M, T)
        gain = self.gain_logit.sigmoid()[:, None]  # (1 or M, 1)
        return (self.log_floor.exp() + levels) ** -gain

    def _bias_and_power(self) -> tuple[Tensor, Tensor]:
        """Return δ and r: (1 or M, 1) each."""
        return self.log_bias.exp()[:, None], self.power_logit.sigmoid()[:, None]

    @torch.no_grad()
    def vary(self) -> None:
        """Change the parameters at random, by up to a tenth."""
        changed = [self.gain_logit, self.log_bias]
        for smoother in self.smoothers.filters:
            if isinstance(smoother, OnePole) and smoother.logit.requires_grad:
                changed.append(smoother.logit)
        for parameter in changed:
            parameter.mul_(1 + _CHANGE * float(torch.rand(())))
        self.power_logit.add_(_CHANGE * float(torch.rand(())))  # of a power of 1/2 it is 0

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


class PCENChannels(nn.Module):
    """Several PCENs of the same magnitudes, each an input channel of the mask network.

    They begin a little different, and are learnt; ε is the same in all.

    Args:
        channels: C of them.

    Shape:
        magnitudes (B, 1, M, T), counts (B,) of frames that are not padding, or None →
        (B, C, M, T).
    """

    is_learnt = True

    def __init__(self, channels: Sequence[PCEN]):
        super().__init__()
        self.channels = nn.ModuleList(channels)
        for channel in channels:
            channel.vary()
            channel.log_floor = channels[0].log_floor

    def forward(self, magnitudes: Tensor, counts: Tensor | None = None) -> Tensor:
        """Return features of magnitudes of bands."""
        return torch.cat([channel(magnitudes, counts) for channel in self.channels], 1)

    def values(self) -> dict[str, list[float]]:
        """Return the parameters by name, as `PCEN.values`, with the number of the channel."""
        named: dict[str, list[float]] = {}
        for number, channel in enumerate(self.channels, 1):
            assert isinstance(channel, PCEN)
            named |= {f"{name}, channel {number}": of for name, of in channel.values().items()}
        return named


def build_pcen(config: FeatureConfig) -> PCEN | PCENChannels | None:
    """Build the PCEN of a model, with its values before training; None: it has none."""
    if config.feature_type != "pcen":
        return None
    if config.n_channels > 1:
        return PCENChannels([_build_channel(config) for _ in range(config.n_channels)])
    return _build_channel(config)


def _build_channel(config: FeatureConfig) -> PCEN:
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
    if config.train_pcen_b and config.train_pcen_a:
        n_filters = config.n_bands if config.train_pcen_filter_per_band else 1
        return [LearntFilter(config.train_pcen_b, config.train_pcen_a, n_filters)]
    if config.train_pcen_s:
        return [OnePole(s, is_learnt=False) for s in config.train_pcen_s]
    return [OnePole(config.pcen_s, is_learnt=True)]


def _build_norm(config: FeatureConfig) -> UnpaddedNorm | None:
    """Return a norm that follows what is learnt; what is fixed is normalised as other features."""
    if not (config.train_pcen and config.standardise):
        return None
    return UnpaddedNorm(config.n_bands if config.normalisation == "band" else 1)
