"""Logging in, staying logged in, and what the classic client makes of refusals."""

import pytest

from tests.conformance.remote import ClassicError


def test_log_in(root):
    assert root.token.value.count(".") == 2
    kind, user, name, organization_name, organization = root.whoami.value
    assert kind == "user"
    assert root.user.get()["id"] == user
    assert root.user.get()["firstname"] == name
    assert root.organization.get()["id"] == organization
    assert root.organization.get()["name"] == organization_name


@pytest.mark.parametrize(("username", "password"), [("root", "wrong"), ("nobody", "root")])
def test_wrong_credentials(remote, server, username, password):
    with pytest.raises(ClassicError) as error:
        remote.log_in(server.url, username, password)
    assert error.value.kind == "AuthenticationException"


def test_an_access_token_that_no_longer_works_is_renewed(root):
    root._access_token.value = "no.such.token"
    assert root.organization.get()["id"]
    assert root.token.value != "no.such.token"
    # the token that renews still works
    root._access_token.value = "no.such.token"
    assert root.organization.get()["id"]


def test_a_refusal_is_an_answer_with_a_message(root):
    assert root.organization.get(987654)["msg"]
    assert root.task.create(987654, [1], "t", "image", "", {})["msg"]


def test_version_and_health(root):
    assert root.util.get_server_version()["version"]
    assert root.util.get_server_health() == {"database": True}


def test_changing_the_own_password(remote, server, root):
    body = {"username": "ada", "firstname": "Ada", "lastname": "L", "email": "ada@alpha.org"}
    root.user.create(**body, password="Passw0rd!")
    ada = remote.log_in(server.url, "ada", "Passw0rd!")
    assert ada.util.change_my_password("Passw0rd!", "An0ther-one!")["msg"]
    with pytest.raises(ClassicError):
        remote.log_in(server.url, "ada", "Passw0rd!")
    assert remote.log_in(server.url, "ada", "An0ther-one!").user.get()["username"] == "ada"
