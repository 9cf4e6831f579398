"""Download published corpora: what may be downloaded as one archive is, with its checksum.

::

    folder/UrbanSound8K/…                  the unpacked corpus, complete or not at all
           .urbansound8k.part              what has come so far; the next call goes on from there
           .urbansound8k.sha256            the checksum of the first download that was unpacked

A checksum that the authors publish is compared with that of the archive. Where they publish none,
that of the first download that could be unpacked is kept, and later ones are compared with it.
Corpora that have no such archive are got by hand: `Corpus.by_hand` says how.
"""

import os
import shutil
import tarfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absslab.core.common.config import look_up
from absslab.core.common.errors import InputError, InputWarning, Reason, WorkError, escape_braces
from absslab.core.common.files import temporary_sibling, write_text
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Progress, Steps, name_stage

_CHUNK = 1 << 16  # bytes; what is lost when a connection is cut
_SPACE = 3.0  # an archive with what it holds, relative to it; checked again before unpacking


@dataclass(frozen=True)
class Corpus:
    """Where a corpus comes from.

    Args:
        title: its name.
        licence: of the recordings.
        page: where its authors describe it.
        url: of the archive; empty if there is none that may simply be downloaded.
        checksum: of the archive, with its kind, as in md5:…; empty if its authors publish none.
        by_hand: how to get it, if it has no archive.
    """

    title: str
    licence: str
    page: str
    url: str = ""
    checksum: str = ""
    by_hand: str = ""


SOURCES = {
    "esc50": Corpus(
        "ESC-50",
        "CC BY-NC 3.0; its part ESC-10: CC BY",
        "https://github.com/karolpiczak/ESC-50",
        # GitHub packs the archive anew now and then, so its checksum is not a fixed one.
        url="https://github.com/karolpiczak/ESC-50/archive/refs/heads/master.zip",
    ),
    "urbansound8k": Corpus(
        "UrbanSound8K",
        "CC BY-NC 3.0",
        "https://zenodo.org/record/1203745",
        url="https://zenodo.org/record/1203745/files/UrbanSound8K.tar.gz?download=1",
        checksum="md5:9aa69802bbf37fb986f71ec1483a196e",
    ),
    "urban_sed": Corpus(
        "URBAN-SED",
        "CC BY 4.0",
        "https://zenodo.org/record/1324404",
        url="https://zenodo.org/record/1324404/files/URBAN-SED_v2.0.0.tar.gz?download=1",
        checksum="md5:a2d24a2148ece7c021fcc079ee87c2dc",
    ),
    "fsd50k": Corpus(
        "FSD50K",
        "CC BY 4.0; each clip has a licence of its own",
        "https://zenodo.org/record/4060432",
        by_hand="download FSD50K.dev_audio, FSD50K.eval_audio (zip files of several parts: join "
        "them with zip -s 0) and FSD50K.ground_truth, and unpack them into one folder",
    ),
    "desed": Corpus(
        "DESED",
        "each part has a licence of its own, see its page",
        "https://project.inria.fr/desed/",
        by_hand="its tools download the recordings from where they are published; the folder has "
        "metadata/ and audio/",
    ),
    "audioset": Corpus(
        "AudioSet",
        "labels: CC BY 4.0; the recordings are those of videos, whose owners' terms hold",
        "https://research.google.com/audioset/download.html",
        by_hand="download balanced_train_segments.csv, eval_segments.csv and "
        "class_labels_indices.csv there; only these are published, so you need your own copies of "
        "the recordings, called after their videos",
    ),
}


def find_corpus(name: str) -> Corpus:
    """Return where a corpus comes from.

    Raises:
        InputError: there is no such corpus.
    """
    corpus: Corpus = look_up("corpus", name, SOURCES)
    return corpus


def fetch_steps(
    name: str, corpus: Corpus, output_folder: str | Path, *, timeout: float = 30.0, tries: int = 5
) -> Steps[Path]:
    """Download the archive of a corpus and unpack it.

    Args:
        name: a short name of the corpus.
        corpus: where it comes from.
        output_folder: gets the folder of the corpus.
        timeout: s without a byte after which a connection is given up.
        tries: how often a connection is made, if it brings nothing.

    Yields:
        how many bytes have come, then how many are unpacked.

    Returns:
        the folder of the corpus.

    Raises:
        InputError: pooch is missing, the corpus has no archive, or the disk has too little space.
        WorkError: the server does not answer, or sends something else.
    """
    if not corpus.url:
        raise InputError(f"{corpus.title} is got by hand: see {corpus.page}; {corpus.by_hand}")
    _import_pooch()
    folder = Path(output_folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    if target.exists():
        raise InputError("{path} exists: it is there already, or remove it", path=target)
    part = folder / f".{name}.part"
    yield from name_stage(_download(corpus, part, timeout=timeout, tries=tries), "downloading")
    record = folder / f".{name}.sha256"
    checksum = _check_archive(corpus, part, record)
    yield from name_stage(_unpack(corpus, part, target), "unpacking")
    if not corpus.checksum and not record.exists():  # what can't be unpacked is no archive
        write_text(record, checksum + "\n")
    part.unlink()
    return target


def _import_pooch() -> Any:
    try:
        import pooch
    except ImportError:
        raise InputError(
            "fetch needs pooch, which is not installed: pip install 'absslab[fetch]'"
        ) from None
    return pooch


def _download(corpus: Corpus, part: Path, *, timeout: float, tries: int) -> Steps[None]:
    """Download into a file, and go on from what it holds; yields the bytes that have come.

    Raises:
        InputError: the disk has too little space.
        WorkError: the server does not answer, or the connection is cut again and again.
    """
    import requests

    failures = 0
    while True:
        n_before = part.stat().st_size if part.exists() else 0
        reason = Reason("the connection was cut", "the connection was cut")
        try:
            total = yield from _receive(corpus, part, n_before, timeout)
            if total < 0 and not corpus.checksum:
                give_notice(
                    InputWarning(
                        f"the server does not say how long the archive of {corpus.title} is: "
                        "whether it came whole shows only when it is unpacked"
                    )
                )
            if part.stat().st_size == total or total < 0:
                return
        except requests.RequestException as error:
            reason = _explain(error, timeout)
        n_now = part.stat().st_size if part.exists() else 0
        failures = 0 if n_now > n_before else failures + 1
        if failures >= tries:
            kept = "{path} keeps what has come; give the same command again to go on"
            raise WorkError(
                f"the download of {corpus.title} stopped after {n_now} bytes ({{reason}}): "
                f"{kept if n_now else 'try again later, or see ' + corpus.page}",
                reason=reason,
                path=part,
            )
        time.sleep(min(1.0, 0.1 * failures))


def _receive(corpus: Corpus, part: Path, n_before: int, timeout: float) -> Steps[int]:
    """Receive one answer of the server, and append it; returns how long the whole file is.

    −1 means that the server does not say it.
    """
    import requests

    headers = {"Range": f"bytes={n_before}-"} if n_before else {}
    headers["Accept-Encoding"] = "identity"  # lengths are those of the file
    with requests.get(corpus.url, headers=headers, stream=True, timeout=timeout) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            part.unlink()  # it is longer than the file on the server
            return 0
        if not answer.ok:
            raise WorkError(
                f"{corpus.title} can't be downloaded: the server answers "
                f"{answer.status_code} {escape_braces(answer.reason)}; see {corpus.page}"
            )
        goes_on = answer.status_code == requests.codes.partial_content
        start = n_before if goes_on else 0
        length = int(answer.headers.get("Content-Length", -1))
        total = start + length if length >= 0 else -1
        _check_space(part.parent, max(0, total) * _SPACE - start, corpus.title)
        with open(part, "ab" if goes_on else "wb") as file:
            done = start
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                yield Progress(done, max(total, done))
    return total


def _explain(error: Exception, timeout: float) -> Reason:
    import requests

    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        text = f"nothing came for {timeout:g} s"
        return Reason(text, text)
    kind = "the connection was cut"
    if isinstance(error, requests.ConnectionError) and "NewConnection" in str(error):
        kind = "there is no connection to the server"
    return Reason(kind, kind)


def _check_space(folder: Path, needed: float, title: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{title} needs about {needed / 1e9:.1f} GB in {{folder}}, but {free / 1e9:.1f} GB "
            "are free: choose another disk",
            folder=folder,
        )


def _check_archive(corpus: Corpus, part: Path, record: Path) -> str:
    """Compare the checksum with that of the authors, or with that of the first download.

    Returns:
        the checksum.

    Raises:
        WorkError: it is another one; the file is removed.
    """
    pooch = _import_pooch()
    if corpus.checksum:
        kind, _, expected = corpus.checksum.rpartition(":")
        found = pooch.file_hash(str(part), alg=kind or "sha256")
        source = "its authors publish"
    else:
        found = pooch.file_hash(str(part))
        expected = record.read_text().strip() if record.exists() else found
        source = f"the first download had (kept in {record.name}; remove it to accept the new one)"
    if found != expected:
        part.unlink()
        raise WorkError(
            f"the archive of {corpus.title} has the checksum {found}, not {expected}, which "
            f"{source}: it is damaged or was replaced, and is removed; give the same command again"
        )
    return found


def _unpack(corpus: Corpus, part: Path, target: Path) -> Steps[None]:
    """Unpack an archive into a folder, which appears complete or not at all."""
    unfinished = temporary_sibling(target)
    done = 0
    try:
        if zipfile.is_zipfile(part):
            with zipfile.ZipFile(part) as archive:
                infos = archive.infolist()
                total = sum(info.file_size for info in infos)
                _check_space(target.parent, total, corpus.title)
                for info in infos:
                    archive.extract(info, unfinished)
                    done += info.file_size
                    yield Progress(done, total)
        else:
            with tarfile.open(part) as archive:
                members = archive.getmembers()
                total = sum(member.size for member in members)
                _check_space(target.parent, total, corpus.title)
                for member in members:
                    archive.extract(member, unfinished, filter="data")
                    done += member.size
                    yield Progress(done, total)
        contents = list(unfinished.iterdir())
        # Most archives hold one folder, whose name says nothing more.
        is_single = len(contents) == 1 and contents[0].is_dir()
        os.replace(contents[0] if is_single else unfinished, target)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError) as error:
        part.unlink(missing_ok=True)
        raise WorkError(
            f"the archive of {corpus.title} can't be unpacked ({{reason}}): it is damaged, and is "
            "removed; give the same command again",
            reason=Reason(str(error).split("\n")[0], type(error).__name__),
        ) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
