"""What was found in files is remembered, within bounds."""

from absslab.core.audio.assembled_file import Span
from absslab.core.audio.decoder_choice import Plan
from absslab.core.audio.file_memory import remember
from absslab.core.common.files import FileVersion

HEADER = bytes(44)


def make_plan(n_parts=1):
    parts = ((HEADER, Span(44, 32044)),) * n_parts
    return Plan(parts, (), ("says 0 samples in its header",), True, False)


def test_what_was_found_in_nine_thousand_repaired_files_is_all_remembered():
    searched = []
    find = remember(lambda path, version: searched.append(path) or make_plan())
    for _ in range(2):
        for number in range(9000):
            assert find(f"/data/recordings/{number:06d}.wav", FileVersion(1, 32044, 7)) is not None
    assert len(searched) == 9000


def test_a_file_that_has_changed_is_looked_at_again():
    find = remember(lambda path, version: version.size)
    assert find("a.wav", FileVersion(1, 10, 7)) == 10
    assert find("a.wav", FileVersion(1, 20, 7)) == 20


def test_that_nothing_was_found_is_remembered_too():
    searched = []
    find = remember(lambda path, version: searched.append(path))
    assert find("a.wav", FileVersion(1, 10, 7)) is None
    assert find("a.wav", FileVersion(1, 10, 7)) is None
    assert len(searched) == 1


def test_what_is_used_least_is_forgotten_where_memory_is_short():
    searched = []
    find = remember(
        lambda path, version: searched.append(path) or make_plan(100), most_bytes=100_000
    )
    version = FileVersion(1, 10, 7)
    for number in range(20):
        find("used.wav", version)
        find(f"{number}.wav", version)
    assert searched.count("used.wav") == 1
    assert len(searched) == 21
    find("0.wav", version)
    assert searched.count("0.wav") == 2
    find("19.wav", version)
    assert searched.count("19.wav") == 1
