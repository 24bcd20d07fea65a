"""The documented `db` of the shell, on the real models."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, NoResultFound

from vantage6.common.exceptions import ConfigurationError
from vantage6.common.task_status import TaskStatus
from vantage6.server import db
from vantage6.server.database import Database
from vantage6.server.model import SecondFactor, User
from vantage6.server.model.base import now
from vantage6.server.service import second_factor


@pytest.fixture
def database(uri: str) -> Iterator[Database]:
    database = Database(uri)
    yield database
    database.dispose()


@pytest.fixture
def opened(database: Database) -> Iterator[None]:
    with db.opened(database):
        yield


@pytest.fixture
def alpha(opened: None) -> Any:
    alpha: Any = db.Organization(name="Alpha")
    alpha.save()
    return alpha


@pytest.fixture
def study(alpha: Any) -> Any:
    study: Any = db.Collaboration(name="study", organizations=[alpha], encrypted=False)
    study.save()
    return study


def make_user(alpha: Any, **values: Any) -> Any:
    values = {"username": "ada", "email": "ada@alpha.example", "password": "Lovelace-1", **values}
    user: Any = db.User(organization=alpha, **values)
    user.save()
    return user


def make_node(study: Any) -> Any:
    alpha = study.organizations[0]
    node: Any = db.Node(name="node", api_key="key", organization=alpha, collaboration=study)
    node.save()
    return node


class TestEveryModel:
    def test_get_finds_all_or_one_or_none(self, alpha: Any) -> None:
        assert db.Organization.get() == [alpha]
        assert db.Organization.get(alpha.id) is alpha
        assert db.Organization.get(alpha.id + 1) is None

    def test_save_is_seen_by_everybody(self, alpha: Any, database: Database) -> None:
        alpha.country = "Utopia"
        alpha.save()
        with database.reading() as session:
            assert session.get(db.Organization, alpha.id).country == "Utopia"

    def test_delete_takes_what_belongs_to_it(self, study: Any) -> None:
        make_node(study)
        study.delete()
        assert db.Collaboration.get() == []
        assert db.Node.get() == []

    def test_what_is_not_saved_is_not_stored_and_not_lost(
        self, alpha: Any, database: Database
    ) -> None:
        alpha.country = "Utopia"
        assert db.Organization.get()[0].country == "Utopia"
        with database.reading() as session:
            assert session.get(db.Organization, alpha.id).country is None

    def test_what_others_write_is_seen_at_once(self, alpha: Any, database: Database) -> None:
        with database.transaction() as session:
            session.get(db.Organization, alpha.id).name = "Beta"
        assert db.Organization.get(alpha.id).name == "Beta"

    def test_nothing_is_held_between_two_calls(self, alpha: Any, database: Database) -> None:
        """A shell that is left open overnight must not stop the server from writing."""
        assert db.Organization.get()[0].users == []
        with database.transaction() as session:
            session.add(db.Organization(name="Beta"))
        assert len(db.Organization.get()) == 2

    def test_what_cannot_be_saved_leaves_no_trace(self, alpha: Any) -> None:
        make_user(alpha)
        with pytest.raises(IntegrityError):
            make_user(alpha, email=None)
        assert [user.username for user in db.User.get()] == ["ada"]

    def test_help_prints_what_there_is(
        self, opened: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        db.User.help()
        printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
        assert printed["table"] == "user"
        assert "username" in printed["columns"].split(", ")
        assert "roles" in printed["relations"].split(", ")
        assert {"get", "save", "set_password"} <= set(printed["methods"].split(", "))

    def test_the_rest_of_the_server_is_not_given_these_calls(self, database: Database) -> None:
        with db.opened(database):
            pass
        assert not hasattr(db.User, "save")
        with pytest.raises(ConfigurationError, match="no database open"):
            db._session()


class TestOrganization:
    def test_by_name(self, alpha: Any) -> None:
        assert db.Organization.get_by_name("Alpha") is alpha
        assert db.Organization.get_by_name("Beta") is None


class TestCollaboration:
    def test_by_name(self, study: Any) -> None:
        assert db.Collaboration.find_by_name("study") is study
        assert db.Collaboration.name_exists("study") is True
        assert db.Collaboration.name_exists("other") is False

    def test_its_members_and_their_nodes(self, study: Any, alpha: Any) -> None:
        node = make_node(study)
        assert study.get_organization_ids() == [alpha.id]
        assert study.get_nodes_from_organizations([alpha.id]) == [node]
        assert study.get_nodes_from_organizations([]) == []
        assert study.get_node_from_organization(alpha) is node
        assert study.get_task_ids() == []


class TestUser:
    def test_by_name_and_address(self, alpha: Any) -> None:
        ada = make_user(alpha)
        assert db.User.get_by_username("ada") is ada
        assert db.User.get_by_email("ada@alpha.example") is ada
        with pytest.raises(NoResultFound):
            db.User.get_by_username("bob")
        assert db.User.username_exists("ada") is True
        assert db.User.exists("email", "bob@alpha.example") is False

    def test_passwords_are_hashed(self, alpha: Any) -> None:
        ada = make_user(alpha)
        assert "Lovelace" not in ada.password_hash
        assert ada.check_password("Lovelace-1") is True
        assert ada.check_password("Lovelace-2") is False

    def test_a_new_password_follows_the_policy_and_ends_all_tokens(self, alpha: Any) -> None:
        ada = make_user(alpha)
        assert ada.set_password("short") == "The password must have at least 8 characters"
        assert ada.check_password("Lovelace-1")
        before = ada.credential_version
        assert ada.set_password("Lovelace-2") is None
        assert ada.check_password("Lovelace-2")
        assert ada.credential_version == before + 1

    def test_a_changed_name_ends_no_token(self, alpha: Any) -> None:
        ada = make_user(alpha)
        before = ada.credential_version
        ada.firstname = "Ada"
        ada.save()
        assert ada.credential_version == before

    def test_blocked_as_the_classic_server_would(self, alpha: Any) -> None:
        ada = make_user(alpha)
        assert ada.is_blocked(5, 15) == (False, None)
        ada.failed_login_attempts, ada.last_login_attempt = 5, now()
        assert ada.is_blocked(5, 15) == (True, 15)
        assert ada.is_blocked(6, 15) == (False, None)
        assert ada.is_blocked(5, 0) == (False, None)

    def test_a_second_factor_is_removed_and_tokens_are_void(
        self, alpha: Any, database: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        ada = make_user(alpha)
        before = ada.credential_version
        with database.transaction() as session:
            session.add(SecondFactor(user_id=ada.id, sealed_secret="sealed"))
            second_factor.new_recovery_codes(session, ada.id)
        ada.remove_second_factor()
        with database.reading() as session:
            assert session.get(SecondFactor, ada.id) is None
            assert second_factor.recovery_codes_left(session, ada.id) == 0
            assert session.get_one(User, ada.id).credential_version != before
        assert caplog.text.count("second_factor.remove") == 1


class TestNode:
    def test_by_api_key(self, study: Any, alpha: Any) -> None:
        node = make_node(study)
        assert db.Node.get_by_api_key("key") is node
        assert db.Node.get_by_api_key("other") is None
        assert (node.check_key("key"), node.check_key("other")) == (True, False)
        assert db.Node.exists(alpha.id, study.id) is True
        assert db.Node.exists(alpha.id, study.id + 1) is False

    def test_a_new_api_key_ends_all_tokens(self, study: Any) -> None:
        node = make_node(study)
        before = node.credential_version
        node.api_key = "other"
        node.save()
        assert node.credential_version == before + 1
        assert db.Node.get_by_api_key("key") is None


def test_roles_and_rules(opened: None) -> None:
    root: Any = db.Role.get_by_name("Root")
    rule = db.Rule.get_by_("user", db.Scope.GLOBAL, db.Operation.VIEW)
    assert rule in root.rules
    assert db.Role.get_by_name("none") is None
    assert db.Rule.get_by_("none", db.Scope.GLOBAL, db.Operation.VIEW) is None


def test_tasks(study: Any, alpha: Any) -> None:
    node = make_node(study)
    run_id = db.Task.next_run_id()
    assert db.Task.next_run_id() > run_id
    task: Any = db.Task(
        name="task", run_id=run_id, collaboration=study, initiator=alpha, image="average"
    )
    result: Any = db.Result(task=task, organization=alpha, status=TaskStatus.PENDING)
    task.save()
    result.save()
    assert (task.complete, result.complete) == (False, False)
    assert result.node is node
    assert task.results_for_node(node) == [result]
    assert study.get_task_ids() == [task.id]
    assert db.Task.get(task.id).status is TaskStatus.PENDING
