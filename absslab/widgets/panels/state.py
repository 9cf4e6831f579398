"""What is selected: where all panels of a workbench meet."""

import traitlets


class State(traitlets.HasTraits):
    """What the person works on; panels read it, set it and observe it."""

    event_folder = traitlets.Unicode("", help="folder of isolated recordings")
    mixture_folder = traitlets.Unicode("", help="folder of mixtures, as absslab mix writes")
    runs_folder = traitlets.Unicode("runs", help="folder with run directories")
    run = traitlets.Unicode("", help="the selected run directory")
    mixture = traitlets.Unicode("", help="the sound file to listen to or to separate")
    split = traitlets.Unicode("test", help="of the mixture folder: train, validation or test")
    runs_changed = traitlets.Int(0, help="grows when a run was started, ended or scored")
