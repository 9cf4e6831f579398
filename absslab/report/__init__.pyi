from .examples import Example as Example
from .examples import draw_example as draw_example
from .render import write_report as write_report
from .report import Report as Report
from .report import open_report as open_report
