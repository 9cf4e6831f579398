"""Reports and figures tell a class named background from what belongs to no class."""

import base64
import io
import shutil

import numpy as np
import soundfile

from absslab.cli.main import main
from absslab.core.data.mixture_folder import source_files
from absslab.report.examples import draw_example, separate_example
from absslab.report.reported_run import open_run


def copy_run(checkpoint, tmp_path):
    """Copy the run of a checkpoint, and score it."""
    folder = tmp_path / "runs" / "run"
    shutil.copytree(checkpoint.with_suffix(""), folder)
    model = shutil.copy(checkpoint, folder.with_name("run.ckpt"))
    flags = ["--checkpoint_path", str(model), "--bss_eval", "none", "--n_resamples", "20"]
    assert main(["evaluate", *flags, "--output", str(folder / "scores.json")]) == 0
    return folder


def test_a_report_shows_and_plays_a_class_named_background(
    background_checkpoint, background_mixtures, tmp_path, own_home, stands_alone
):
    run = copy_run(background_checkpoint, tmp_path)
    assert main(["report", "--run_directory", str(run), "--device", "cpu"]) == 0
    text = (run / "report.html").read_text()
    page = stands_alone(text)
    assert "Traceback" not in text
    sounds = [
        (name.partition(" ")[2], base64.b64decode(uri.partition(",")[2]))
        for name, uri in page.sounds.items()
    ]
    played = [content for name, content in sounds if name == "background, reference"]
    assert played
    assert "background, separated" in dict(sounds)
    saved = [
        soundfile.read(files["background"], dtype="float32")[0].tobytes()
        for path in (background_mixtures / "test").glob("*.wav")
        if "background" in (files := source_files(path))
    ]
    for content in played:
        samples, _ = soundfile.read(io.BytesIO(content), dtype="float32")
        assert samples.tobytes() in saved


def test_masks_of_a_class_named_background_are_drawn_with_its_own_source(
    background_checkpoint, background_mixtures, tmp_path
):
    run = open_run(copy_run(background_checkpoint, tmp_path), split="test", device="cpu")
    name = next(
        path.name
        for path in sorted((background_mixtures / "test").glob("*.wav"))
        if "background" in source_files(path)
    )
    example = separate_example(run.evaluation, run.scores, name)
    assert "background" in example.classes
    source, _ = soundfile.read(
        source_files(background_mixtures / "test" / name)["background"], dtype="float32"
    )
    np.testing.assert_array_equal(example.truth.references["background"], source)
    figure = draw_example(run.evaluation, example)
    texts = [axes.get_ylabel() + axes.get_title() for axes in figure.axes]
    assert any("background" in text for text in texts)
