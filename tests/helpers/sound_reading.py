"""Read sounds whose content a test has made, with what is said about them."""

from absslab.core.audio import sound_files
from absslab.core.common.notices import collect_notices


def read_with_notices(path, content):
    """Return the samples (C, N) of a file with this content, and what is said about it."""
    path.write_bytes(content)
    with collect_notices() as notices:
        about = sound_files.check(path)
        channels, _ = sound_files.load_channels(path)
        assert sound_files.info(path).n_samples == about.n_samples == channels.shape[1]
    assert all(notice.path == path for notice in notices)
    return channels, [notice.with_names() for notice in notices]
