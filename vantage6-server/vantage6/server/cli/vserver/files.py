from vantage6.common.context import InstanceContext
from vantage6.server.cli.files import files_command


def locate(context: InstanceContext) -> dict[str, str]:
    """Where a server in a container keeps its files on this machine."""
    from vantage6.server import instance
    from vantage6.server.container import settings

    url = instance.database_url(context)
    places = settings.places(context, url)
    return {
        "configuration": str(places.config),
        "log": str(settings.log_file(context, places.log)),
        "data": str(places.data),
        "database": url.render_as_string(hide_password=True),
    }


files = files_command(locate)
