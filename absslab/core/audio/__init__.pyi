from . import sound_files as sound_files
from .loudness import matched_gains as matched_gains
from .region import cut_region as cut_region
from .stft import STFT as STFT
from .uploaded_sounds import inspect_upload as inspect_upload
from .uploaded_sounds import transcode_upload as transcode_upload
