from .examples import Example as Example
from .examples import example_figure as example_figure
from .render import write_report as write_report
from .report import Report as Report
