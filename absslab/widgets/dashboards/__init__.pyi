from .checks import validate_settings as validate_settings
from .notebook import open_page as open_page
from .registry import DASHBOARDS as DASHBOARDS
from .registry import Dashboard as Dashboard
from .server import ensure_token as ensure_token
from .server import serve as serve
from .settings import DashboardConfig as DashboardConfig
from .settings import ServerConfig as ServerConfig
