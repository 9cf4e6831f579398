"""`import absslab` and each package export the expected names."""

import ast
import importlib
import pkgutil
import shutil
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import numpy as np
import pytest

import absslab
from absslab import api
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.left_out import read_left_out
from absslab.core.common.progress import Progress
from absslab.core.data.mixture_folder import read_manifest
from absslab.core.evaluation.score_files import read_scores
from absslab.core.separation.separator import Separation
from absslab.core.training.config import TrainingConfig
from absslab.core.training.events import EpochResult

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PACKAGES = [
    module.name
    for module in pkgutil.walk_packages(absslab.__path__, "absslab.")
    if module.ispkg and "__all__" in vars(importlib.import_module(module.name))
]


@pytest.fixture(scope="module")
def mixture(mixtures) -> Path:
    return mixtures / "test" / "000000.wav"


def modules_after(statement: str) -> set[str]:
    """Return the modules that are loaded after a statement in a new interpreter."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    return set(printed.split())


def test_every_name_of_the_public_face_is_there():
    for name in absslab.__all__:
        assert getattr(absslab, name) is not None, name
    assert set(absslab.__all__) <= set(dir(absslab))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'sepparate'"):
        _ = absslab.sepparate


def test_importing_absslab_loads_neither_torch_nor_widgets():
    loaded = modules_after("import absslab")
    assert loaded & {"torch", "librosa", "pandas", "matplotlib", "ipywidgets"} == set()


@pytest.mark.parametrize("name", PACKAGES)
def test_every_exported_name_of_a_package_is_there(name):
    package = importlib.import_module(name)
    assert package.__all__
    for exported in package.__all__:
        assert getattr(package, exported) is not None, exported


@pytest.mark.parametrize("name", PACKAGES)
def test_no_exported_name_hides_a_module(name):
    """Otherwise the result of `from package import name` would depend on earlier imports."""
    package = importlib.import_module(name)
    for module in pkgutil.iter_modules(package.__path__):
        exported = getattr(package, module.name, None) if module.name in package.__all__ else None
        assert exported is None or isinstance(exported, types.ModuleType), module.name


def test_every_room_of_the_core_exports_names():
    packages = {name for name in PACKAGES if name.startswith("absslab.core.")}
    modules = {
        module.name for module in pkgutil.iter_modules(absslab.core.__path__, "absslab.core.")
    }
    assert modules <= packages
    assert {"absslab.plots", "absslab.report"} <= set(PACKAGES)


def test_every_package_of_the_widgets_exports_names():
    packages = {
        module.name
        for module in pkgutil.walk_packages(absslab.widgets.__path__, "absslab.widgets.")
        if module.ispkg
    }
    assert packages <= set(PACKAGES)


def test_recordings_are_read_without_torch():
    loaded = modules_after("from absslab.core.data import index_recordings, write_mixtures")
    assert "torch" not in loaded


def test_mix_writes_the_folder_that_the_command_writes(event_folder, tmp_path):
    steps = []
    folder = absslab.mix(
        event_folder, tmp_path / "set", n_files=10, length=1.0, n_workers=1, progress=steps.append
    )
    assert folder == tmp_path / "set"
    assert read_manifest(folder).n_mixtures == {"train": 8, "validation": 1, "test": 1}
    assert steps[-1] == Progress(10, 10)


def test_a_plain_script_can_mix_without_a_main_guard(event_folder, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"import absslab\nabsslab.mix({str(event_folder)!r}, 'mixtures', n_files=30, length=0.5)\n"
        "print('finished')\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "finished\n"), done.stderr
    assert len(list((tmp_path / "mixtures").glob("*/*.wav"))) == 30


def test_mix_refuses_a_setting_that_is_unknown(event_folder, tmp_path):
    with pytest.raises(InputError, match="no setting 'n_file'; did you mean n_files"):
        absslab.mix(event_folder, tmp_path / "set", n_file=10)
    assert not (tmp_path / "set").exists()


def test_train_writes_the_best_model_and_is_done_once(mixtures, small_model, tmp_path):
    steps = []
    settings = small_model | {"n_epochs": 1, "batch_size": 8}
    path = absslab.train(mixtures, tmp_path / "R.ckpt", progress=steps.append, **settings)
    assert path == tmp_path / "R.ckpt"
    assert absslab.load_model(path, "cpu").classes == ("alert", "knock", "pageturn", "speech")
    assert len([step for step in steps if isinstance(step, EpochResult)]) == 1
    assert steps[-1].task == "choosing thresholds of events"
    again = []
    absslab.train(mixtures, tmp_path / "R.ckpt", progress=again.append, **settings)
    assert again == []


def test_train_refuses_settings_that_do_not_belong_to_its_choices(mixtures, tmp_path):
    with pytest.raises(InputError, match="no recipe 'thesys'"):
        absslab.train(mixtures, tmp_path / "R.ckpt", recipe="thesys")
    # A setting of GWRP; the recommended recipe uses another pooling.
    with pytest.raises(InputError, match="no setting 'decay'"):
        absslab.train(mixtures, tmp_path / "R.ckpt", decay=0.9)


def test_train_tells_in_short_where_an_unknown_setting_belongs(mixtures, tmp_path):
    path = tmp_path / "R.ckpt"
    with pytest.raises(InputError, match=r"'decay': it is a setting of --pooling GWRP$"):
        absslab.train(mixtures, path, decay=0.9)
    with pytest.raises(InputError, match="'n_epoch'; did you mean n_epochs"):
        absslab.train(mixtures, path, n_epoch=1)
    with pytest.raises(InputError, match=r"'zzzzzz'; see the command's --help$"):
        absslab.train(mixtures, path, zzzzzz=1)


def test_a_setting_under_two_names_with_two_values_is_refused(mixtures, tmp_path):
    with pytest.raises(InputError, match="dc and decay are the same setting"):
        absslab.train(mixtures, tmp_path / "R.ckpt", pooling="GWRP", dc=0.9, decay=0.8)
    with pytest.raises(InputError, match="same setting"):
        api._plain_names({"loss_f": "BCE", "loss": "MultiLabelSoftMarginLoss"}, [TrainingConfig])


def test_train_without_a_recipe_starts_from_the_plain_defaults(mixtures, tmp_path, monkeypatch):
    calls = []

    def train_nothing(values):
        yield calls.append(values)

    monkeypatch.setattr(api, "train_or_resume", train_nothing)
    paths = {"data_folder": str(mixtures), "save_path": str(tmp_path / "R.ckpt")}
    absslab.train(**paths, recipe=None, n_epochs=1)
    assert calls == [{"n_epochs": 1} | paths]


def test_evaluate_gives_the_scores_and_writes_them(checkpoint, tmp_path):
    steps = []
    output = tmp_path / "scores.json"
    scores = absslab.evaluate(
        checkpoint, output=output, device="cpu", bss_eval="none", progress=steps.append
    )
    saved_scores, _ = read_scores(output)
    assert saved_scores.per_class == scores.per_class
    assert steps[-1].done == steps[-1].total == 16, "8 validation and 8 test mixtures"


def test_evaluate_refuses_a_setting_that_is_unknown(checkpoint):
    with pytest.raises(InputError, match="no setting 'criterium'; did you mean criterion"):
        absslab.evaluate(checkpoint, criterium=0.0)


def test_separate_takes_a_file_an_array_and_any_form_of_the_model(mixture, checkpoint):
    separation = absslab.separate(mixture, checkpoint, device="cpu")
    assert isinstance(separation, Separation)
    samples = sound_files.load(mixture)
    assert separation.sources.shape == (4, 1, len(samples))
    model = absslab.load_model(checkpoint, "cpu")
    for model_or_separator in (model, absslab.Separator(model)):
        again = absslab.separate(
            samples, model_or_separator, sampling_rate=separation.sampling_rate
        )
        np.testing.assert_array_equal(again.sources, separation.sources[:, 0])
    total = separation.sources.sum(0)[0] + separation.residual[0]
    np.testing.assert_allclose(total, samples, atol=1e-6)


def test_separate_refuses_an_array_whose_samples_come_first(checkpoint):
    samples_first = np.zeros((3000, 2), np.float32)
    with pytest.raises(
        InputError, match=r"3000 channels of 2 samples: expected \(C, N\); transpose"
    ):
        absslab.separate(samples_first, checkpoint, sampling_rate=16000)


def test_separate_passes_settings_on_to_the_masks(mixture, checkpoint):
    model = absslab.load_model(checkpoint, "cpu")
    sharp = absslab.separate(mixture, absslab.Separator(model), mask_power=2)
    np.testing.assert_array_equal(sharp.masks, absslab.separate(mixture, model, mask_power=2).masks)
    assert (sharp.masks <= absslab.separate(mixture, model).masks + 1e-6).all()
    with pytest.raises(InputError, match="no setting 'mask_pover'; did you mean mask_power"):
        absslab.separate(mixture, model, mask_pover=2)


def test_separate_moves_no_model_that_is_loaded(mixture, checkpoint):
    model = absslab.load_model(checkpoint, "cpu")
    for model_or_separator in (model, absslab.Separator(model)):
        with pytest.raises(InputError, match="device is 'cpu', but the model is already loaded"):
            absslab.separate(mixture, model_or_separator, device="cpu")


def test_many_files_are_separated_and_what_can_not_be_is_warned_of(mixture, checkpoint, tmp_path):
    (tmp_path / "in").mkdir()
    shutil.copy(mixture, tmp_path / "in/good.wav")
    (tmp_path / "in/bad.wav").write_bytes(b"no sound")
    sounds = tmp_path / "in"
    with pytest.warns(InputWarning, match="1 of 2 files was left out"):
        folders = absslab.separate_files(sounds, checkpoint, tmp_path / "out", device="cpu")
    assert folders == [tmp_path / "out/good"]
    assert (tmp_path / "out/left_out.csv").exists()
    with pytest.raises(InputError, match=r"bad\.wav is not a readable sound file"):
        absslab.separate_files(sounds, checkpoint, tmp_path / "no", on_error="stop")
    with pytest.raises(InputError, match="on_error is 'go': expected one of stop, skip"):
        absslab.separate_files(sounds, checkpoint, tmp_path / "no", on_error="go")
    with pytest.raises(InputError, match=r"bad\.wav is not a readable sound file"):
        absslab.separate_files([sounds / "bad.wav"], checkpoint, tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_mix_train_and_evaluate_leave_out_what_can_not_be_used_and_warn(
    event_folder, checkpoint, mixtures, small_model, tmp_path
):
    events = tmp_path / "events"
    shutil.copytree(event_folder, events)
    (events / "speech99.wav").write_bytes(b"no sound")
    settings = {"n_files": 10, "length": 0.5, "sampling_rate": 8000}
    with pytest.raises(InputError, match="pass --on_error skip"):
        absslab.mix(events, tmp_path / "O", **settings)
    with pytest.warns(InputWarning, match="1 of 21 files was left out"):
        absslab.mix(events, tmp_path / "O", on_error="skip", **settings)
    folder = tmp_path / "set"
    shutil.copytree(mixtures, folder)
    (folder / "train/000001.wav").write_bytes(b"no sound")
    (folder / "test/000001.wav").unlink()
    with pytest.warns(InputWarning, match="2 of 40 files were left out"):
        absslab.train(folder, tmp_path / "r.ckpt", n_epochs=1, on_error="skip", **small_model)
    output = tmp_path / "scores.json"
    with pytest.warns(InputWarning, match="1 of 16 files was left out"):
        scores = absslab.evaluate(
            checkpoint,
            data_folder=folder,
            output=output,
            on_error="skip",
            bss_eval="none",
            device="cpu",
        )
    assert list(scores.left_out) == ["000001.wav"]
    rows = read_left_out(tmp_path / "left_out.csv")
    assert [(row["command"], row["result"]) for row in rows] == [("evaluate", "scores.json")]


def test_listen_takes_the_sound_by_its_name_of_before(mixture):
    player = absslab.listen(what=mixture)
    assert player.tracks[0].name == "mixture"
    player.close()
    for sounds in ({}, {"sound": mixture, "what": mixture}):
        with pytest.raises(InputError, match="sound is missing, or given twice"):
            absslab.listen(**sounds)


def test_separate_says_what_is_wrong_with_its_input(mixture, checkpoint):
    with pytest.raises(InputError, match="sampling_rate is missing"):
        absslab.separate(np.zeros(100, np.float32), checkpoint)
    with pytest.raises(InputError, match="is a file, which has its own sampling rate"):
        absslab.separate(mixture, checkpoint, sampling_rate=16000)
    with pytest.raises(InputError, match="expected"):
        absslab.separate(mixture.with_name("none.wav"), checkpoint)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_everything_that_a_notebook_imports_is_there(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    lines = [line for cell in code for line in cell.splitlines() if not line.startswith(("%", "!"))]
    imports = [
        (node.module, alias.name)
        for node in ast.walk(ast.parse("\n".join(lines)))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("absslab")
        for alias in node.names
    ]
    missing = [
        (module, name)
        for module, name in imports
        if not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []
