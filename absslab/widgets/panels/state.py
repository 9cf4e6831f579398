"""What is selected: the state that all panels of a workbench share."""

import traitlets


class State(traitlets.HasTraits):
    """The folders, the run and the mixture that a person works on.

    Panels read, set and observe them.
    """

    event_folder = traitlets.Unicode("", help="folder of isolated recordings")
    mixture_folder = traitlets.Unicode("", help="folder of mixtures, as written by absslab mix")
    runs_folder = traitlets.Unicode("runs", help="folder of run directories")
    run = traitlets.Unicode("", help="the selected run directory")
    mixture = traitlets.Unicode("", help="the sound file to listen to or to separate")
    split = traitlets.Unicode("test", help="split of the mixture folder: train, validation or test")
    runs_changed = traitlets.Int(0, help="is increased when a run is started, ended or scored")
