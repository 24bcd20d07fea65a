"""Every documented name, and the parameters of every documented method.

The rows are those of the documentation of the classic line. A parameter more is no break; one
that is missing, has another place or another default is.
"""

import inspect
from pathlib import Path
from typing import Any

import pytest

import vantage6.client
from vantage6.client import Client, ClientBase

PAGE = {"page": 1, "per_page": 20, "include_metadata": True}
WHOLE = {"page": None, "per_page": None, "include_metadata": True}
NEEDED = inspect.Parameter.empty
ADDRESS = dict.fromkeys(("name", "address1", "address2", "zipcode", "country", "domain"), "x")


def optional(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names)


def needed(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, NEEDED)


PARAMETERS: dict[str, dict[str, Any]] = {
    "util.get_server_version": {},
    "util.get_server_health": {},
    "util.change_my_password": needed("current_password", "new_password"),
    "util.reset_my_password": optional("email", "username"),
    "util.set_my_password": needed("token", "password"),
    "util.reset_two_factor_auth": needed("password") | optional("email", "username"),
    "util.set_two_factor_auth": needed("token"),
    "util.generate_private_key": optional("file_"),
    "collaboration.list": {"scope": "organization"}
    | optional("name", "encrypted", "organization")
    | PAGE,
    "collaboration.get": needed("id_"),
    "collaboration.create": needed("name", "organizations") | {"encrypted": False},
    "node.get": needed("id_"),
    "node.list": optional(
        "name",
        "organization",
        "collaboration",
        "is_online",
        "ip",
        "last_seen_from",
        "last_seen_till",
    )
    | PAGE,
    "node.create": needed("collaboration") | optional("organization", "name"),
    "node.update": needed("id_") | optional("name", "organization", "collaboration"),
    "node.delete": needed("id_"),
    "organization.list": optional("name", "country", "collaboration") | WHOLE,
    "organization.get": optional("id_"),
    "organization.update": optional("id_", *ADDRESS, "public_key"),
    "organization.create": needed(*ADDRESS) | optional("public_key"),
    "user.list": optional(
        "username",
        "organization",
        "firstname",
        "lastname",
        "email",
        "role",
        "rule",
        "last_seen_from",
        "last_seen_till",
    )
    | PAGE,
    "user.get": optional("id_"),
    "user.update": optional(
        "id_", "firstname", "lastname", "organization", "rules", "roles", "email"
    ),
    # The lists of rights were `[]` of the class, shared by all calls; nothing said is the same.
    "user.create": needed("username", "firstname", "lastname", "password", "email")
    | optional("organization", "roles", "rules"),
    "role.list": optional("name", "description", "organization", "rule", "user", "include_root")
    | PAGE,
    "role.get": needed("id_"),
    "role.create": needed("name", "description", "rules") | optional("organization"),
    "role.update": needed("role") | optional("name", "description", "rules"),
    "role.delete": needed("role"),
    "rule.get": needed("id_"),
    "rule.list": optional("name", "operation", "scope", "role") | PAGE,
    "task.get": needed("id_") | {"include_results": False},
    "task.list": optional(
        "initiator", "initiating_user", "collaboration", "image", "parent", "run", "name"
    )
    | {"include_results": False}
    | optional("description", "database", "result")
    | PAGE,
    # Ours asks for JSON unless told otherwise, and leaves out what `method` says.
    "task.create": needed("collaboration", "organizations")
    | {"name": "", "image": "", "description": "", "input": None}
    | {"data_format": "json", "database": "default"},
    "task.delete": needed("id_"),
    "result.get": needed("id_") | {"include_task": False},
    "result.list": optional("task", "organization", "state", "node")
    | {"include_task": False}
    | optional("started", "assigned", "finished", "port")
    | WHOLE,
    "result.from_task": needed("task_id") | {"include_task": False},
}


@pytest.fixture
def connected():
    return Client("https://server", 443, "/api")


def method_of(client: Client, name: str) -> Any:
    sub_client, method = name.split(".")
    return getattr(getattr(client, sub_client), method)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_method_has_its_documented_parameters_in_their_places(connected, name):
    parameters = inspect.signature(method_of(connected, name)).parameters
    found = {name: parameter.default for name, parameter in parameters.items()}
    documented = PARAMETERS[name]
    assert list(found.items())[: len(documented)] == list(documented.items())
    more = list(found.items())[len(documented) :]
    assert all(default is not NEEDED for _, default in more)


@pytest.mark.parametrize("name", [name for name in PARAMETERS if not name.startswith("util.")])
def test_fields_can_be_chosen(connected, name):
    parameters = set(inspect.signature(method_of(connected, name)).parameters)
    kind = name.partition(".")[2]
    if kind in ("list", "from_task"):
        assert parameters >= {"field", "fields", "filter_", "filters"}
    elif kind != "delete":
        assert parameters >= {"field", "fields"}
        assert not parameters & {"filter_", "filters"}


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "vantage6.client",
            "Client UserClient ContainerClient ClientBase WhoAmI ServerInfo LEGACY",
        ),
        ("vantage6.client.encryption", "RSACryptor DummyCryptor CryptorBase SEPARATOR"),
        ("vantage6.client.serialization", "serialize serializer"),
        (
            "vantage6.client.deserialization",
            "deserialize deserializer load_data unpack_legacy_results",
        ),
        ("vantage6.client.filter", "post_filtering"),
        ("vantage6.client.utils", "print_qr_code show_qr_code_image"),
        ("vantage6.client.exceptions", "DeserializationException"),
        ("vantage6.client.constants", "STRING_ENCODING APPNAME PACKAGE_FOLDER"),
        (
            "vantage6.common",
            "info warning error debug echo ClickLogger logger_name Singleton bytes_to_base64s "
            "base64s_to_bytes check_config_write_permissions check_write_permissions "
            "is_ip_address Fore Style",
        ),
        ("vantage6.common.exceptions", "AuthenticationException"),
        (
            "vantage6.common.globals",
            "APPNAME STRING_ENCODING DEFAULT_DOCKER_REGISTRY DEFAULT_NODE_IMAGE "
            "DEFAULT_SERVER_IMAGE VPN_CONFIG_FILE",
        ),
    ],
    ids=lambda value: value if "." in value else "",
)
def test_a_documented_name_is_where_it_was(module, names):
    imported = __import__(module, fromlist=["*"])
    missing = [name for name in names.split() if not hasattr(imported, name)]
    assert missing == []


def test_the_constants_have_their_documented_values():
    from vantage6.client.encryption import SEPARATOR

    assert (vantage6.client.LEGACY, SEPARATOR) == ("legacy", "$")
    assert Client is vantage6.client.UserClient
    assert issubclass(Client, ClientBase)
    assert vantage6.client.WhoAmI._fields == (
        "type_", "id_", "name", "organization_name", "organization_id",
    )  # fmt: skip
    assert vantage6.client.ServerInfo._fields == ("host", "port", "path")


BASE_PARAMETERS = {
    "generate_path_to": needed("endpoint"),
    "request": needed("endpoint")
    | {"json": None, "method": "get", "params": None, "first_try": True, "retry": True},
    "refresh_token": {},
    "setup_encryption": needed("private_key_file"),
    "post_task": needed("name", "image", "collaboration_id")
    | {"input_": "", "description": "", "organization_ids": None}
    | {"data_format": "json", "database": "default"},
    "get_results": optional("id", "state")
    | {"include_task": False}
    | optional("task_id", "node_id", "params"),
    "authenticate": needed("username", "password") | optional("mfa_code"),
    "wait_for_results": needed("task_id") | {"sleep": 1},
}


@pytest.mark.parametrize("name", BASE_PARAMETERS)
def test_the_client_itself_has_its_documented_methods(connected, name):
    parameters = inspect.signature(getattr(connected, name)).parameters
    found = list({name: one.default for name, one in parameters.items()}.items())
    documented = list(BASE_PARAMETERS[name].items())
    assert found[: len(documented)] == documented


def test_the_client_can_be_made_as_documented():
    parameters = list(inspect.signature(Client).parameters)
    assert parameters[:4] == ["host", "port", "path", "verbose"]
    assert list(inspect.signature(ClientBase).parameters)[:3] == ["host", "port", "path"]
    client = Client("https://server", 443)
    assert (client.host, client.port, client.path) == ("https://server", 443, "/api")


@pytest.mark.parametrize(
    ("port", "base"),
    [(443, "https://server:443/api"), (None, "https://server/api"), ("", "https://server/api")],
    ids=["port", "none", "empty"],
)
def test_the_base_path_leaves_out_a_port_that_is_not_given(port, base):
    client = Client("https://server", port, "/api")
    assert client.base_path == base
    assert client.headers == {}
    assert client.generate_path_to("task") == client.generate_path_to("/task") == f"{base}/task"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("create_new_rsa_key", ["path"]),
        ("create_public_key_bytes", ["private_key"]),
        ("encrypt_bytes_to_str", ["data", "pubkey_base64s"]),
        ("decrypt_str_to_bytes", ["data"]),
        ("verify_public_key", ["pubkey_base64"]),
        ("bytes_to_str", ["data"]),
        ("str_to_bytes", ["data"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_cryptor_has_its_documented_members(name, parameters):
    from vantage6.client.encryption import RSACryptor

    member = inspect.getattr_static(RSACryptor, name)
    found = list(inspect.signature(getattr(RSACryptor, name)).parameters)
    assert [one for one in found if one != "self"] == parameters
    static = name.startswith(("create", "bytes_to", "str_to"))
    assert isinstance(member, staticmethod) is static


def test_a_cryptor_without_its_file_says_so(tmp_path):
    from vantage6.client.encryption import RSACryptor

    with pytest.raises(FileNotFoundError):
        RSACryptor(tmp_path / "none.pem")


def test_the_package_tells_its_types():
    (folder,) = vantage6.client.__path__
    assert Path(folder, "py.typed").is_file()
