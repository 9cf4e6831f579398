from .mixtures import built_in_mixtures as built_in_mixtures
from .office_sounds import CLASSES as CLASSES
from .office_sounds import cached_recordings as cached_recordings
from .office_sounds import synthesise as synthesise
from .office_sounds import write_recordings as write_recordings
