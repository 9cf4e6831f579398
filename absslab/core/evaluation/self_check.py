"""Judge separated sources without the true ones: let the model hear its own outputs.

A source that is separated well sounds like its class alone, so the model should take all of it for
this class, and nothing of the class should be left in the residual. That says nothing for certain:
a model may agree with its own mistakes. How far it agrees with SI-SDR improvement is therefore
computed wherever true sources are known.

Axes: K classes, N samples.
"""

import numpy as np
import pandas as pd

from absslab.core.evaluation.scores import Agreement, SelfCheckScores
from absslab.core.metrics.separation import plain_sdr
from absslab.core.metrics.undefined import number
from absslab.core.separation.separator import Separator

SELF_SDR = "self_sdr"
SELF_SDR_OF_MIXTURE = "self_sdr_mixture"
COLUMNS = (SELF_SDR, "self_probability", "self_other", "self_residual")
_MIN_PAIRS = 5  # needed for a correlation


def check_recording(
    separator: Separator,
    waveform: np.ndarray,
    sampling_rate: int,
    *,
    thresholds: np.ndarray | float = 0.5,
) -> dict[str, np.ndarray]:
    """Separate a recording, and let the model hear each source of a tagged class, and the residual.

    This takes as many separations as there are tagged classes, and two.

    Args:
        separator: the model, which synthesises the sources of all classes.
        waveform: (N,).
        sampling_rate: Hz.
        thresholds: a class is tagged from this probability on; one, or one per class.

    Returns:
        K values each, NaN where a class is not tagged: `self_sdr`, the SDR of the source that is
        separated from a source again, dB (0 for a silent source); `self_probability`, that of its
        class in the source; `self_other`, the highest of the other classes in it; `self_residual`,
        that of its class in the residual; `self_sdr_mixture`, the mean of `self_sdr`, the same for
        all classes.

    Raises:
        ValueError: the separator leaves out the sources of classes that it does not find.
    """
    if not separator.has_all_sources:
        raise ValueError("expected a separator with sources='all'")
    separation = separator.separate(waveform, sampling_rate)
    n_classes = len(separation.classes)
    columns = {name: np.full(n_classes, np.nan) for name in (*COLUMNS, SELF_SDR_OF_MIXTURE)}
    tagged = np.flatnonzero(separation.probabilities >= thresholds)
    if not len(tagged):
        return columns
    left = separator.separate(separation.residual, sampling_rate).probabilities  # (K,)
    for k in tagged:
        source = separation.sources[k]  # (N,)
        again = separator.separate(source, sampling_rate)
        others = np.delete(again.probabilities, k)
        values = (
            float(plain_sdr(source, again.sources[k])) if source.any() else 0.0,
            again.probabilities[k],
            others.max(initial=0.0),
            left[k],
        )
        for name, value in zip(COLUMNS, values, strict=True):
            columns[name][k] = value
    columns[SELF_SDR_OF_MIXTURE][:] = np.mean(columns[SELF_SDR][tagged])
    return columns


def summarise_self_check(table: pd.DataFrame) -> SelfCheckScores | None:
    """Compute means, and how far the judgement agrees with SI-SDR improvement.

    Args:
        table: a row per mixture and class, as `Scorer.table` returns it.

    Returns:
        the scores; None if the model has not heard its outputs.
    """
    if SELF_SDR not in table:
        return None
    judged = table[table[SELF_SDR].notna()]
    sources = None
    recordings = None
    if "si_sdr_improvement" in table:
        both = judged[[SELF_SDR, "si_sdr_improvement", "mixture"]].dropna()
        sources = _correlate(both)
        recordings = _correlate(both.groupby("mixture").mean())
    return SelfCheckScores(
        **{name.removeprefix("self_"): number(judged[name].mean()) for name in COLUMNS},
        n_sources=len(judged),
        sources=sources,
        recordings=recordings,
    )


def _correlate(pairs: pd.DataFrame) -> Agreement | None:
    """Correlate the judgement with SI-SDR improvement; None if there are too few pairs."""
    from scipy.stats import pearsonr, spearmanr

    judgement = pairs[SELF_SDR].to_numpy()
    improvement = pairs["si_sdr_improvement"].to_numpy()
    if len(pairs) < _MIN_PAIRS or not np.ptp(judgement) or not np.ptp(improvement):
        return None
    return Agreement(
        spearman=float(spearmanr(judgement, improvement).statistic),
        pearson=float(pearsonr(judgement, improvement).statistic),
        n=len(pairs),
    )
