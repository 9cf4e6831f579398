"""absslab report writes one page that needs no other file, or prints one line on the error."""

import base64
import io
import json
import re
import shutil
import sys

import nbformat
import numpy as np
import pytest
import soundfile
import torch
from matplotlib.figure import Figure

from absslab.cli.main import main
from absslab.core.common.errors import InputError, WorkError
from absslab.core.common.progress import run_to_end
from absslab.core.common.resources import resource_folder
from absslab.core.common.tables import read_table, write_table
from absslab.core.runs.run_scores import read_run_scores
from absslab.core.training.run_directory import RunReader
from absslab.report import examples
from absslab.report.page import MAX_CHARACTERS
from absslab.report.render import failed_notebook_path, write_report
from absslab.report.report import Report, open_report

from .conftest import move_data

SECTIONS = (
    "Settings",
    "Data",
    "Training",
    "Scores",
    "Confusion of classes",
    "Mixtures to see",
    "How to make it again",
)


def command(run, *more):
    return ["report", "--run_directory", str(run), "--device", "cpu", *map(str, more)]


def score(run):
    model = run.with_name(f"{run.name}.ckpt")
    output = run / "scores.json"
    flags = [
        "--checkpoint_path",
        model,
        "--output",
        output,
        "--bss_eval",
        "none",
        "--n_resamples",
        20,
    ]
    assert main(["evaluate", *map(str, flags)]) == 0


def decode_sound(uri):
    return soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])), dtype="float32")[0]


@pytest.fixture
def plain_figures(monkeypatch):
    """Draw nothing into the figures of examples, which takes most of a report's time."""
    monkeypatch.setattr(examples, "draw_example", lambda *_: Figure(figsize=(2, 2)))


def test_a_run_becomes_one_page_that_stands_alone_with_its_sounds_as_they_are(
    run, mixtures, own_home, capsys, stands_alone
):
    assert main(command(run)) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert re.fullmatch(rf"{re.escape(str(run))}/report\.html: \d+\.\d MB in \d+ s\n", out)
    assert "scoring on cpu" in err
    assert read_run_scores(run, "test").scores.n_mixtures == 8
    text = (run / "report.html").read_text()
    assert len(text.encode()) < MAX_CHARACTERS
    page = stands_alone(text)
    assert page.title == "small-run: report"
    for section in SECTIONS:
        assert section in text
    for expected in (
        "finished",
        "SI-SDRi",
        "ideal ratio mask, mel",
        "SHA-256",
        "--seed=0",
        "absslab mix",
        "torch",
    ):
        assert expected in text
    assert len(page.anchors) == len(SECTIONS)
    assert len(page.pictures) >= 10
    assert "Traceback" not in text
    scored = open_report(run, device="cpu").scores
    worst = scored.ranking("si_sdr_improvement")[0]
    sounds = iter(page.sounds.items())
    name, uri = next(sounds)
    assert name == "0 the mixture"
    samples, _ = soundfile.read(mixtures / "test" / worst.mixture, dtype="float32")
    np.testing.assert_array_equal(decode_sound(uri), samples)
    name, uri = next(sounds)
    label = name.partition(" ")[2].removesuffix(", reference")
    folder = mixtures / "test" / worst.mixture.removesuffix(".wav")
    np.testing.assert_array_equal(
        decode_sound(uri), soundfile.read(folder / f"{label}.flac", dtype="float32")[0]
    )
    name, uri = next(sounds)
    out = run.parent / "separated"
    model = run.with_name("small-run.ckpt")
    flags = [
        "--checkpoint_path",
        model,
        "--input",
        mixtures / "test" / worst.mixture,
        "--output_folder",
        out,
    ]
    assert main(["separate", *map(str, flags), "--device", "cpu"]) == 0
    separated = soundfile.read(
        out / worst.mixture.removesuffix(".wav") / f"{label}.wav", dtype="float32"
    )[0]
    # There, the rounding of the residual is distributed.
    assert np.abs(decode_sound(uri) - separated).max() <= 1.01 / 32768
    assert uri.startswith("data:audio/flac")


def test_scores_that_are_there_are_used_and_those_of_an_older_model_are_not(run, own_home):
    score(run)
    before = (run / "scores.json").read_bytes()
    report = open_report(run, device="cpu")
    assert report.is_scored
    assert report.scores.scores.intervals.n_resamples == 20
    report.summary()
    assert (run / "scores.json").read_bytes() == before
    model = run.with_name("small-run.ckpt")
    model.touch()
    assert open_report(run, device="cpu").is_scored
    content = torch.load(model, weights_only=True)
    torch.save(content | {"made": content["made"] | {"epoch": 1000}}, model)
    assert not open_report(run, device="cpu").is_scored
    (run / "scores.csv").unlink()
    torn = open_report(run, device="cpu")
    assert not torn.is_scored
    assert "can't be read" in torn.scores_problem


def test_the_figures_of_masks_are_written_as_vector_graphics(run, tmp_path):
    score(run)
    report = open_report(run, device="cpu")
    written = report.write_figures(tmp_path / "figures", ["svg", "pdf"])
    assert sorted(tmp_path.glob("figures/*")) == sorted(written)
    kinds = [path.name.partition("_")[0] for path in written]
    assert kinds == ["worst", "worst", "median", "median", "best", "best"]
    heads = {path.suffix: path.read_bytes()[:5] for path in written}
    assert heads == {".svg": b"<?xml", ".pdf": b"%PDF-"}


def test_reading_scores_never_makes_them(run):
    report = open_report(run, device="cpu")
    with pytest.raises(InputError, match="is not scored on its test split"):
        _ = report.scores
    with pytest.raises(InputError, match="is not scored on its test split"):
        report.summary()
    assert not (run / "scores.json").exists()


def test_field_recordings_without_sources_have_a_report_of_what_there_is(
    field_run, own_home, capsys, stands_alone
):
    output = field_run.parent / "pages" / "field.html"
    assert main(command(field_run, "--output", output)) == 0
    text = output.read_text()
    page = stands_alone(text)
    for expected in (
        "without their sources",
        "Its true sources are not known",
        "only with weak labels",
        "AUC",
    ):
        assert expected in text
    assert not [name for name in page.sounds if "reference" in name]
    assert len([name for name in page.sounds if "the mixture" in name]) == 3
    assert f"--output={output}" in text
    assert not failed_notebook_path(output).exists()


def test_a_manifest_that_cannot_be_read_is_named_with_the_reason(field_run, mixtures):
    manifest = json.loads((mixtures / "manifest.json").read_text())
    path = field_run.parents[1] / "field" / "manifest.json"
    path.write_text(json.dumps(manifest | {"version": 2}))
    report = open_report(field_run, device="cpu")
    run_to_end(report.score())
    reason = f"{path} has format version 2, newer than 1: update ABSSLab"
    assert reason in report.data().html
    assert reason in report.reproduction().html


def test_names_of_classes_are_never_taken_for_html(field_run, own_home, stands_alone):
    hostile = """<script>alert("x")&$y_{1}$"""
    model = field_run.with_name("small-run.ckpt")
    table = field_run.parents[1] / "field" / "weak_labels.csv"
    content = torch.load(model, weights_only=True)
    content["classes"] = [hostile if name == "knock" else name for name in content["classes"]]
    torch.save(content, model)
    rows = read_table(table, required=("filename",))
    rows = [
        {hostile if name == "knock" else name: value for name, value in row.items()} for row in rows
    ]
    write_table(table, list(rows[0]), rows)
    report = open_report(field_run, device="cpu")
    run_to_end(report.score())
    parts = [
        report.summary(),
        report.configuration(),
        report.data(),
        report.training(),
        report.score_table(),
    ]
    parts += [
        report.score_charts(),
        report.confusion(),
        report.examples(),
        report.reproduction("a<b>.html"),
    ]
    text = "".join(part.html for part in parts)
    assert "&lt;script&gt;alert(" in text
    assert "<b>" not in text
    stands_alone(text)


def test_what_does_not_fit_is_left_out_and_that_is_said(run, plain_figures):
    score(run)
    everything = open_report(run, n_examples=2, device="cpu").examples().html
    assert everything.count("<h3>") == 6
    assert "did not fit" not in everything
    less = open_report(run, n_examples=2, device="cpu", limit=len(everything) // 2).examples().html
    assert len(less) < len(everything) // 2 + 500
    assert 1 <= less.count("<h3>") < 6
    assert f"{6 - less.count('<h3>')} more did not fit: a report is limited to 15 MB" in less
    assert "did not fit" in open_report(run, device="cpu", limit=0).examples().html
    assert "since n_examples is 0" in open_report(run, n_examples=0, device="cpu").examples().html


def test_of_long_recordings_the_beginning_is_shown(run, plain_figures, monkeypatch, stands_alone):
    score(run)
    monkeypatch.setattr(examples, "MAX_SAMPLES_16_BITS", 8000)
    monkeypatch.setattr(examples, "MAX_SAMPLES_FLOAT", 0)
    text = open_report(run, device="cpu").examples().html
    assert text.count("Only the first 0.5 of 2 s") == 3
    assert {len(decode_sound(uri)) for uri in stands_alone(text).sounds.values()} == {8000}


@pytest.mark.parametrize(
    ("state", "expected"),
    [("stopped", "before its last epoch"), ("running", "its process died"), ("failed", "failed")],
)
def test_a_run_that_is_not_finished_says_so(run, own_home, state, expected):
    score(run)
    status = RunReader.open(run).status().to_json()
    (run / "status.json").write_text(
        json.dumps(status | {"state": state, "epoch": 1, "pid_started": 0})
    )
    text = open_report(run, device="cpu").summary().html
    assert expected in text
    assert "1 of 2" in text


def test_what_a_notebook_asks_for_is_checked(run):
    with pytest.raises(InputError, match="expected at least 0"):
        open_report(run, n_examples=-1)
    with pytest.raises(InputError, match="there is no split 'dev'"):
        open_report(run, split="dev")


def test_a_run_without_curves_says_so(run, own_home):
    (run / "metrics.jsonl").unlink()
    assert "no curves" in open_report(run, device="cpu").training().html


def failing(path, source):
    cells = [
        nbformat.v4.new_markdown_cell("# A run"),
        nbformat.v4.new_code_cell("x = 1"),
        nbformat.v4.new_code_cell(source),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "print('so far')\nraise ValueError('it broke')",
            r"cell 2 \(print\('so far'\)\) failed: ValueError: it broke",
        ),
        ("import os\nos._exit(1)", "the notebook was not executed: DeadKernelError"),
    ],
)
def test_a_cell_that_fails_keeps_the_notebook_and_the_report_before(
    tmp_path, own_home, source, expected
):
    output = tmp_path / "pages" / "report.html"
    output.parent.mkdir()
    output.write_text("the report before")
    with pytest.raises(WorkError, match=expected) as caught:
        write_report(output, {}, title="run", notebook=failing(tmp_path / "n.ipynb", source))
    assert str(failed_notebook_path(output)) in str(caught.value)
    assert output.read_text() == "the report before"
    assert sorted(path.name for path in output.parent.iterdir()) == [
        "report.failed.ipynb",
        "report.html",
    ]
    assert nbformat.read(failed_notebook_path(output), 4).cells
    write_report(output, {}, title="run", notebook=failing(tmp_path / "n.ipynb", "x = 2"))
    assert [path.name for path in output.parent.iterdir()] == ["report.html"]


STARTING = """
import pathlib, sys
starts = pathlib.Path(sys.argv[1])
starts.write_text(starts.read_text() + "x" if starts.exists() else "x")
if len(starts.read_text()) <= int(sys.argv[2]):
    sys.exit(1)
from ipykernel.kernelapp import launch_new_instance
launch_new_instance(argv=["-f", sys.argv[3]])
"""


def dying_kernel(monkeypatch, starts, n_failures):
    """Let the first kernels end before they answer, and count all starts."""
    command = [sys.executable, "-c", STARTING, str(starts), str(n_failures), "{connection_file}"]
    monkeypatch.setattr("absslab.report.render.KERNEL_ARGUMENTS", command)


def test_a_kernel_that_did_not_start_is_started_again(tmp_path, own_home, monkeypatch):
    dying_kernel(monkeypatch, tmp_path / "starts", 1)
    notebook = failing(tmp_path / "n.ipynb", "x = 2")
    write_report(tmp_path / "report.html", {}, title="run", notebook=notebook)
    assert (tmp_path / "starts").read_text() == "xx"


def test_a_kernel_that_never_starts_is_an_error(tmp_path, own_home, monkeypatch):
    dying_kernel(monkeypatch, tmp_path / "starts", 9)
    notebook = failing(tmp_path / "n.ipynb", "x = 2")
    with pytest.raises(WorkError, match="the notebook was not executed: RuntimeError"):
        write_report(tmp_path / "report.html", {}, title="run", notebook=notebook)
    assert (tmp_path / "starts").read_text() == "xx"


def test_a_cell_that_ends_its_kernel_is_not_executed_again(tmp_path, own_home):
    calls = tmp_path / "calls"
    source = f"import os\nopen({str(calls)!r}, 'a').write('x')\nos._exit(1)"
    notebook = failing(tmp_path / "n.ipynb", source)
    with pytest.raises(WorkError, match="DeadKernelError"):
        write_report(tmp_path / "report.html", {}, title="run", notebook=notebook)
    assert calls.read_text() == "x"


def test_work_that_failed_is_one_line_and_status_1(run, own_home, monkeypatch, capsys, tmp_path):
    score(run)
    capsys.readouterr()
    broken = tmp_path / "notebooks"
    broken.mkdir()
    failing(broken / "6_report.ipynb", "raise ValueError('it\\nbroke')")
    monkeypatch.setattr("absslab.report.render.resource_folder", lambda name: broken)
    assert main(command(run)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("absslab report: cell 3 (raise ValueError(")
    assert "IPKernelApp" not in err
    assert not (run / "report.html").exists()


def test_data_that_were_moved_are_named(run, mixtures, tmp_path, capsys):
    moved = tmp_path / "moved"
    move_data(run, data_folder=str(tmp_path / "gone"))
    assert "gone, the data of the run, does not exist: if they were moved" in refusal_of(
        capsys, *command(run)
    )
    assert "moved, the data of the run, does not exist" in refusal_of(
        capsys, *command(run, "--data_folder", moved)
    )
    shutil.copytree(mixtures, moved)
    report = open_report(run, device="cpu", data_folder=str(moved))
    run_to_end(report.score())
    assert f"--data_folder={moved}" in report.reproduction().html
    assert open_report(run, device="cpu").is_scored  # where they were scored
    assert f"the data of the run are in {moved}: leave data_folder out" in refusal_of(
        capsys, *command(run, "--data_folder", mixtures)
    )


def test_recordings_that_can_not_be_scored_are_named_with_status_3(field_run, tmp_path, capsys):
    next((tmp_path / "field").glob("test-*.wav")).write_text("no sound")
    assert main(command(field_run, "--n_examples", 0)) == 3
    out, err = capsys.readouterr()
    assert "report.html" in out
    report = field_run / "report.html"
    assert "since n_examples is 0" in report.read_text()
    line = err.splitlines()[-1]
    assert line.startswith("absslab report: 1 of ")
    assert "was left out: " in line
    assert "is not a readable sound file" in line


def refusal_of(capsys, *arguments):
    assert main(list(map(str, arguments))) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    return err


def test_input_that_can_not_be_used_is_one_line_before_any_work(
    run, field_run, mixtures, tmp_path, capsys, monkeypatch
):
    def no_work(*_):
        raise AssertionError("work was begun")

    monkeypatch.setattr(Report, "score", no_work)
    assert "run_directory is missing" in refusal_of(capsys, "report")
    assert "is not a run directory" in refusal_of(capsys, *command(tmp_path / "none"))
    assert "did you mean --n_examples" in refusal_of(capsys, *command(run, "--examples", 1))
    assert "n_examples is -1" in refusal_of(capsys, *command(run, "--n_examples", -1))
    assert "figures is 'bmp': expected one of svg, pdf" in refusal_of(
        capsys, *command(run, "--figures", "bmp")
    )
    assert "split is 'tset'" in refusal_of(capsys, *command(run, "--split", "tset"))
    assert "expected the name of a file that ends in .html" in refusal_of(
        capsys, *command(run, "--output", "report.pdf")
    )
    (tmp_path / "file").touch()
    assert "nothing can be written" in refusal_of(
        capsys, *command(run, "--output", tmp_path / "file" / "a.html")
    )
    model = run.with_name("small-run.ckpt")
    shutil.move(model, tmp_path / "model.ckpt")
    assert "no best model yet" in refusal_of(capsys, *command(run))
    shutil.move(tmp_path / "model.ckpt", model)
    table = tmp_path / "field" / "weak_labels.csv"
    table.write_text(table.read_text().replace(",test", ",train"))
    assert "no recordings in its test split" in refusal_of(capsys, *command(run))
    shutil.rmtree(tmp_path / "field")
    assert "field, the data of the run, does not exist" in refusal_of(capsys, *command(run))
    monkeypatch.setitem(__import__("sys").modules, "papermill", None)
    assert "pip install 'absslab[report]'" in refusal_of(capsys, *command(run))
    assert [
        path.name for path in run.iterdir() if "report" in path.name or "scores" in path.name
    ] == []


def test_the_notebook_is_thin_and_says_what_is_wrong_where_a_run_is_not_there(
    own_home, tmp_path, monkeypatch
):
    notebook = nbformat.read(resource_folder("notebooks") / "6_report.ipynb", 4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell.metadata.get("tags") for cell in notebook.cells].count(["parameters"]) == 1
    assert notebook.cells[0].source.startswith("# ")
    for cell in notebook.cells:
        assert "def " not in cell.source
        assert not cell.get("outputs")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkError, match="InputError: results/runs/office is not a run directory"):
        write_report(tmp_path / "report.html", {}, title="run")
