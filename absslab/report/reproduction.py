"""The section of a report with the commands that reproduce it."""

import time

from absslab.report import provenance
from absslab.report.page_parts import Fragment, box, code, heading, prose, table
from absslab.report.reported_run import ReportedRun


def render_reproduction(run: ReportedRun, *, n_examples: int, output: str) -> Fragment:
    """Render the commands, seeds, devices, dates, versions and checksums.

    Args:
        run: the run to report on.
        n_examples: number of examples of each kind in the report.
        output: the file of the page; empty if it is not known.
    """
    scores = run.scores
    report_flags = {
        "data_folder": run.moved_data_folder or None,
        "split": run.split,
        "n_examples": n_examples,
        "device": run.requested_device,
        "output": output or None,
    }
    scoring_flags = provenance.find_scoring_flags(run.scoring_settings)
    scoring_flags |= {"split": run.split, "output": str(scores.path)}
    commands = provenance.list_commands(
        run.settings,
        run=run.folder,
        data_folder=run.data_folder,
        scoring=scoring_flags,
        page=report_flags,
    )
    facts = {
        "Seeds": provenance.list_seeds(run.settings, scores.scores, run.data_folder),
        "Devices": {
            "training": run.reader.status().device or "–",
            "report": str(run.evaluation.device),
        },
        "Dates": {
            **provenance.find_training_dates(run.reader),
            "best model": provenance.format_file_time(run.checkpoint),
            "scores": provenance.format_file_time(scores.path),
            "report": provenance.format_time(time.time()),
        },
        "Versions": provenance.list_versions()
        | {"absslab, when it was scored": scores.scores.absslab},
    }
    columns = []
    for title, values in facts.items():
        rows = [[name, value] for name, value in values.items()]
        columns.append(box([heading(title), table(["", ""], rows)], "column"))
    checksums = provenance.tabulate_checksums(run.folder, run.data_folder)
    text = code(commands)
    if problem := provenance.explain_missing_manifest(run.data_folder):
        text += prose(f"The command that mixed the recordings is not known: {problem}.")
    return (
        text
        + box(columns, "columns")
        + heading("Checksums")
        + table(["what", "file", "SHA-256"], checksums)
    )
