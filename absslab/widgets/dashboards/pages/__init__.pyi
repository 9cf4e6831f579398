from .compare_page import ComparePage as ComparePage
from .listen_page import ListenPage as ListenPage
from .monitor_page import MonitorPage as MonitorPage
from .page import Page as Page
from .page import ProblemPage as ProblemPage
from .separate_page import SeparatePage as SeparatePage
