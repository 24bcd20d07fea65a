from vantage6.common.cli import Online, list_command


def find_running() -> list[Online]:
    """The servers that run in containers."""
    from vantage6.server.container import containers

    return [
        Online(one.name, one.scope, one.environment, one.config)
        for one in containers.find_all(containers.connect())
    ]


list_instances = list_command("server", system_first=True, find_running=find_running)
