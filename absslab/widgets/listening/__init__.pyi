from .live_separation import Excerpt as Excerpt
from .live_separation import LiveModels as LiveModels
from .live_separation import LiveSeparation as LiveSeparation
from .playback import show_recording as show_recording
from .recording_view import RecordingView as RecordingView
from .side_by_side import SideBySide as SideBySide
from .side_by_side import compare_models as compare_models
