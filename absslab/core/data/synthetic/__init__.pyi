from .mixtures import built_in_mixtures as built_in_mixtures
from .office_sounds import CLASSES as CLASSES
from .office_sounds import synthesise as synthesise
from .recording_files import cached_recordings as cached_recordings
from .recording_files import write_recordings as write_recordings
