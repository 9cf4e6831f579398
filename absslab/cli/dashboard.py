"""absslab dashboard."""

from collections.abc import Sequence

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, from_flags, suggest_nearest
from absslab.core.common.errors import InputError
from absslab.widgets.dashboards.registry import DASHBOARDS
from absslab.widgets.dashboards.settings import DashboardConfig, ServerConfig


def run(arguments: Sequence[str]) -> None:
    """Serve the dashboard that is named in the arguments."""
    parser = Parser(
        "absslab dashboard", description="Serve a dashboard: a page for people who do not program."
    )
    parser.add_argument(
        "name",
        nargs="?",
        default="",
        metavar="NAME",
        help=f"the dashboard: {', '.join(DASHBOARDS)}",
    )
    add_flags(parser, DashboardConfig)
    add_flags(parser, ServerConfig)
    given = vars(parser.parse(arguments))
    name = given.pop("name")
    if name not in DASHBOARDS:
        if name:
            raise InputError(f"there is no dashboard {name!r}{suggest_nearest(name, DASHBOARDS)}")
        known = "; ".join(
            f"{title} ({dashboard.purpose})" for title, dashboard in DASHBOARDS.items()
        )
        raise InputError(f"the name of a dashboard is missing: expected one of {known}")
    config = from_flags(DashboardConfig, given)
    server = from_flags(ServerConfig, given)
    try:
        from absslab.widgets.dashboards.server import ensure_token, serve
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("absslab"):
            raise
        raise InputError(f"dashboards need {error.name}: pip install 'absslab[lab]'") from None
    from absslab.widgets.dashboards.checks import validate_settings

    serve(
        name,
        validate_settings(name, config),
        ensure_token(server, allow_training=config.allow_training),
    )
