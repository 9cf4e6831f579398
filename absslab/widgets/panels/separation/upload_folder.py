"""Sound files that a person uploads to a panel."""

import shutil
import tempfile
from pathlib import Path

from absslab.core.audio import sound_files


class UploadFolder:
    """A temporary folder for uploaded files; it is made for the first of them."""

    def __init__(self) -> None:
        self.path: Path | None = None

    def save(self, name: str, content: bytes) -> Path:
        """Write an uploaded sound under a name that can do no harm, and check it.

        Args:
            name: the file's name on the person's machine.
            content: the bytes of the file.

        Returns:
            the file in this folder.

        Raises:
            InputError: the content is not a sound.
        """
        if self.path is None:
            self.path = Path(tempfile.mkdtemp(prefix="absslab-"))
        path = self.path / _safe_name(name)
        path.write_bytes(content)
        sound_files.check(path, may_be_silent=True)
        return path

    def close(self) -> None:
        """Remove the folder."""
        if self.path is not None:
            shutil.rmtree(self.path, ignore_errors=True)


def _safe_name(name: str) -> str:
    letters = (
        letter if letter.isalnum() or letter in "._- " else "_" for letter in Path(name).name
    )
    return "".join(letters).strip(" .") or "upload"
