from .catalogue import RunSummary as RunSummary
from .catalogue import find_runs as find_runs
from .catalogue import summarise_run as summarise_run
from .catalogue import tabulate_runs as tabulate_runs
from .launcher import Launcher as Launcher
from .run_scores import RunScores as RunScores
from .run_scores import read_run_scores as read_run_scores
