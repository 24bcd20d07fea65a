from vantage6.common.cli import list_command


def find_running() -> set[tuple[str, str]]:
    """The names and scopes of the servers that run in containers."""
    from vantage6.server.container import containers

    return {(one.name, one.scope) for one in containers.find_all(containers.connect())}


list_instances = list_command("server", system_first=True, find_running=find_running)
