"""How scores of sources are spread: mean, standard deviation and median.

They are those of the sources that are present, of all mixtures, and of mixtures with and without a
background, as the thesis' code printed them.
"""

import pandas as pd

from absslab.core.evaluation.score_table import HAS_BACKGROUND
from absslab.core.evaluation.scores import Spread

SPREAD = ("sdr", "sir", "sar", "si_sdr")
ALL = "all"
WITH_BACKGROUND = "with_background"
WITHOUT_BACKGROUND = "without_background"


def summarise_spread(table: pd.DataFrame) -> dict[str, dict[str, Spread]] | None:
    """Compute the spread of each score of `SPREAD`, of all mixtures and of each kind of them.

    Args:
        table: a row per mixture and class, as `Scorer.table` returns it.

    Returns:
        the spreads by score, by kind of mixtures; None if no source was scored.
    """
    groups = {ALL: table}
    if HAS_BACKGROUND in table:
        groups[WITH_BACKGROUND] = table[table[HAS_BACKGROUND] == 1]
        groups[WITHOUT_BACKGROUND] = table[table[HAS_BACKGROUND] == 0]
    spreads = {name: _spreads_of(rows) for name, rows in groups.items()}
    return {name: values for name, values in spreads.items() if values} or None


def _spreads_of(rows: pd.DataFrame) -> dict[str, Spread]:
    spreads = {}
    for score in SPREAD:
        values = rows[score].dropna() if score in rows else pd.Series(dtype=float)
        if len(values):
            spreads[score] = Spread(
                mean=float(values.mean()),
                std=float(values.std(ddof=0)),
                median=float(values.median()),
                n=len(values),
            )
    return spreads
