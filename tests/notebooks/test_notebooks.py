"""The notebooks are short and without outputs, and each runs completely on little data."""

import ast
import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from own_home import home_variables
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.name for path in FOLDER.glob("*.ipynb"))
TINY = {
    "presence_channels": [8, 8, 8],
    "presence_context": 8,
    "n_mels": 32,
    "precision": "float32",
    "device": "cpu",
}
OFFICE = {"n_takes": 3, "n_files": 40, "n_epochs": 2, "flags": TINY}
FEW = {"n_takes": 3, "n_files": 20, "classes": ["alert", "knock", "speech"]}
RUNS = {  # notebook → parameters, and a condition that is true at its end
    "1_recordings_and_mixtures.ipynb": (
        {"n_takes": 3, "n_files": 40},
        """
        await wait_until(lambda: panel.recording_view.player and mixtures.recording_view.player)
        assert len(panel.recordings) == 48
        names = {track.name for track in mixtures.recording_view.player.tracks}
        assert names == {"mixture", "background", *spec.labels}
        assert (office / "test" / "mixtures.jsonl").is_file()
        assert panel.message == mixtures.message == ""
        """,
    ),
    "2_front_ends_compared.ipynb": (
        {"n_takes": 3, "n_files": 10},
        """
        await wait_until(lambda: panel.comparison)
        await wait_until(lambda: panel.recording_view.player)
        names = [track.name for track in panel.recording_view.player.tracks]
        assert names == ["recording", *FRONT_ENDS]
        assert panel.message == ""
        """,
    ),
    "3_train_and_watch.ipynb": (
        OFFICE,
        """
        import os
        assert reader.state() == "finished" and len(epochs) == 2
        assert reader.status().pid != os.getpid()
        assert run.with_suffix(".ckpt").is_file()
        await wait_until(lambda: panel.follower.epochs.recording_view.player)
        assert panel.message == ""
        """,
    ),
    "4_separate_and_listen.ipynb": (
        OFFICE,
        """
        await wait_until(lambda: panel.live_result)
        await wait_until(lambda: panel.message == "")
        assert panel.recording_view.player.tracks[0].name == "mixture"
        assert separated.sources.shape == (16, 2, 8 * 44100)
        assert Path(folder, "separated", "stereo", "residual.wav").is_file()
        """,
    ),
    "5_pooling_laboratory.ipynb": (
        FEW | {"n_epochs": 1, "poolings": ["GMP", "FC"], "flags": TINY},
        """
        await wait_until(lambda: laboratory.comparison)
        await wait_until(lambda: beside.comparison)
        await wait_until(lambda: beside.message == "")
        assert "linear_softmax" in laboratory.comparison.pooled
        sources = [track.name for track in beside.comparison.tracks if track.kind == "source"]
        assert {name.rpartition(", ")[2] for name in sources} == set(poolings)
        assert laboratory.message == ""
        """,
    ),
    "7_from_the_thesis.ipynb": (
        FEW | {"n_epochs": 1, "n_epochs_thesis": 1, "flags": TINY | {"mask_conv_o_c": [8]}},
        """
        await wait_until(lambda: beside.comparison)
        await wait_until(lambda: beside.message == "")
        assert set(scores) == {"thesis", "recommended"}
        statuses = [output for output in Out.values() if type(output) is int]
        assert statuses == [0, 0, 2], "exit status of mix, train and a wrong flag"
        assert pd.io.common.file_exists(f"{folder}/runs/thesis_command.ckpt")
        """,
    ),
}
WAIT_UNTIL = "from absslab.widgets.panels.training.waiting import wait_until\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An empty folder and a home folder for the notebooks; they share their results."""
    home = tmp_path_factory.mktemp("home")
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("JUPYTER", "JPY_", "XDG_", "MPL")):
                patch.delenv(name)
        for name, folder in home_variables(home).items():
            patch.setenv(name, folder)
        patch.setenv("HOME", str(home))
        patch.setenv("ABSSLAB_CACHE", str(home / "cache"))
        patch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
        patch.setenv("PYTHONPATH", str(FOLDER.parent), prepend=os.pathsep)
        yield work


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_thin_and_clean_and_begins_with_what_one_will_learn(name):
    notebook = nbformat.read(FOLDER / name, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3", (
        "without a kernelspec, JupyterLab shows a dialog"
    )
    assert notebook.cells[0].cell_type == "markdown"
    assert "will learn" in notebook.cells[0].source + notebook.cells[1].source
    (parameters,) = [
        cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])
    ]
    assert re.search(r"^(folder|run_directory) = ", parameters.source, flags=re.MULTILINE)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in code_cells(notebook):
        assert (cell.outputs, cell.execution_count) == ([], None)
        source = "\n".join(
            "" if line.startswith(("%", "!")) else line for line in cell.source.splitlines()
        )
        tree = ast.parse(source)
        logic = (
            ast.FunctionDef,
            ast.AsyncFunctionDef,
            ast.ClassDef,
            ast.Lambda,
            ast.While,
            ast.Try,
        )
        assert not [node for node in ast.walk(tree) if isinstance(node, logic)], cell.source
    text = "\n".join(cell.source for cell in notebook.cells)
    assert not re.search(r"(?<![\w.)\]}])/(?:home|root|tmp|work|Users|opt|mnt|data)\b", text), (
        "the notebook contains a path of a machine"
    )


def test_every_notebook_is_run():
    """The notebook of the report is run by the tests of the report."""
    assert sorted([*RUNS, "6_report.ipynb"]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_s_links_lead_to_notebooks(name):
    links = re.findall(r"\]\(([^)]+\.ipynb)\)", (FOLDER / name).read_text(encoding="utf-8"))
    assert [link for link in links if not (FOLDER / link).is_file()] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_refers_to_the_manual_by_links_that_exist(name):
    notebook = nbformat.read(FOLDER / name, as_version=nbformat.NO_CONVERT)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "README" not in text, "reasons and results belong into the manual: link to its page"
    for page, section in re.findall(r"\]\((\.\./[^)#]+)#?([^)]*)\)", text):
        headings = re.findall(r"^#+ (.+)$", (FOLDER / page).read_text(), flags=re.MULTILINE)
        assert section in ("", *(heading.lower().replace(" ", "-") for heading in headings)), page


@pytest.mark.parametrize("name", RUNS)
def test_a_notebook_runs_from_top_to_bottom(name, place):
    parameters, check = RUNS[name]
    notebook = parameterize_notebook(load_notebook_node(str(FOLDER / name)), parameters)
    lines = [line.strip() for line in check.strip().splitlines()]
    notebook.cells.append(nbformat.v4.new_code_cell(WAIT_UNTIL + "\n".join(lines)))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(place)}}).execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error"] == []
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "Traceback" not in printed
    assert any(
        "application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs
    )
