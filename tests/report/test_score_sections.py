"""The texts of the score sections describe what the charts show."""

import html
from pathlib import Path

import pandas as pd
import pytest

from absslab.core.evaluation.scores import ClassScores, Intervals, Scores
from absslab.core.runs.run_scores import RunScores
from absslab.report.score_sections import render_score_charts


@pytest.mark.parametrize("with_intervals", [True, False])
def test_only_charts_with_intervals_promise_them(with_intervals):
    intervals = {"per_class.knock.si_sdr_improvement": [2.0, 4.0]} if with_intervals else {}
    scores = Scores(
        ("knock",),
        per_class={"knock": ClassScores(average_precision=0.5, si_sdr_improvement=3.0)},
        intervals=Intervals(intervals),
    )
    table = pd.DataFrame({"mixture": ["a.wav"], "class": ["knock"], "si_sdr_improvement": [3.0]})
    text = html.unescape(render_score_charts(RunScores(Path("scores.json"), scores, table)).html)
    assert 'AP of each class"' in text
    interval = " with its 95 % interval" if with_intervals else ""
    assert f'SI-SDRi / dB of each class{interval}"' in text
    assert text.count("95 % interval") == (2 if with_intervals else 0)
