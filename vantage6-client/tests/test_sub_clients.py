"""Every sub-client against the real server."""

import inspect

import pytest

from vantage6.client.base import SubClient
from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import Vantage6Error

BLANK = dict.fromkeys(("address1", "address2", "zipcode", "country", "domain"), "")


@pytest.fixture
def root(federation):
    return federation.root


def test_the_server_tells_its_version_and_health(client):
    assert client.util.get_server_version()["version"].count(".") == 2
    assert client.util.get_server_health()["database"] is True


def test_a_password_can_be_changed(federation, client):
    client.util.change_my_password("Passw0rd!", "0therWord!")
    assert federation.client("alpha", "0therWord!").name == "Alpha"


def test_one_account_must_be_named_for_a_recovery(client):
    with pytest.raises(AssertionError):
        client.util.reset_my_password()


def test_a_new_key_is_written_and_made_known(root, tmp_path):
    path = tmp_path / "private_key.pem"
    root.organization.update(public_key="")
    root.util.generate_private_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert root.organization.get()["public_key"] == RSACryptor(path).public_key_str
    with pytest.raises(FileExistsError):
        root.util.generate_private_key(path)


def test_collaborations(root, client, federation):
    assert [item["name"] for item in client.collaboration.list()] == ["study"]
    page = root.collaboration.list(scope="global", name="st%", encrypted=False, organization=2)
    assert [item["id"] for item in page["data"]] == [federation.collaboration["id"]]
    assert set(page["links"]) >= {"self"}
    assert root.collaboration.list(scope="global", encrypted=True)["data"] == []
    assert root.collaboration.list(scope="everything") is None
    created = root.collaboration.create("second", federation.ids[:2], encrypted=True)
    assert root.collaboration.get(created["id"])["encrypted"] is True


def test_nodes(root, federation):
    node = federation.nodes[0]
    assert node["api_key"]
    assert "api_key" not in root.node.get(node["id"])
    assert len(root.node.list(collaboration=federation.collaboration["id"])["data"]) == 3
    assert root.node.list(is_online=True, include_metadata=False) == []
    renamed = root.node.update(node["id"], name="first")
    assert renamed["name"] == "first"
    # What is not given stays: the classic client erased the name here.
    assert root.node.update(node["id"])["name"] == "first"
    root.node.delete(node["id"])
    assert len(root.node.list()["data"]) == 2


def test_organizations(root, client, federation):
    assert client.organization.get()["id"] == federation.ids[0]
    created = root.organization.create("delta", **BLANK)
    changed = root.organization.update(created["id"], country="NL")
    assert (changed["name"], changed["country"]) == ("delta", "NL")
    assert [item["name"] for item in root.organization.list(country="NL")["data"]] == ["delta"]
    members = root.organization.list(collaboration=federation.collaboration["id"])["data"]
    assert [item["id"] for item in members] == federation.ids


def test_pages(root):
    page = root.organization.list(page=2, per_page=1)
    assert len(page["data"]) == 1
    assert set(page["links"]) == {"first", "previous", "self", "next", "last"}
    assert len(root.organization.list(page=1, per_page=2, include_metadata=False)) == 2


@pytest.mark.parametrize("kind", ["node", "organization", "role", "rule", "user"])
def test_all_pages_are_walked_through(root, kind):
    sub_client = getattr(root, kind)
    whole = sub_client.list(page=None, per_page=None, include_metadata=False)
    assert len(whole) > 2
    assert list(sub_client.iterate(per_page=2)) == whole
    ids = sub_client.iterate(per_page=2, fields=["id"], filter_=("id", whole[-1]["id"]))
    assert list(ids) == [{"id": whole[-1]["id"]}]


def test_the_pages_of_a_list_that_grows_bring_nothing_twice(client, create):
    ids = [create()["id"] for _ in range(4)]
    walk = client.task.iterate(per_page=2)
    found = [next(walk)["id"]]
    create()
    found += [task["id"] for task in walk]
    assert found == sorted(ids, reverse=True)


def test_collaborations_and_results_are_walked_through_too(client, root, create):
    create()
    assert [one["name"] for one in client.collaboration.iterate()] == ["study"]
    assert [one["name"] for one in root.collaboration.iterate(scope="global")] == ["study"]
    assert len(list(client.result.iterate(per_page=1))) == 3


def test_a_refusal_on_the_way_is_an_error(client):
    with pytest.raises(Vantage6Error, match="per_page"):
        list(client.user.iterate(per_page=0))


def test_users(root, client, federation):
    assert client.user.get()["username"] == "alpha"
    assert [user["username"] for user in root.user.list(firstname="B%")["data"]] == ["beta"]
    created = root.user.create(
        "new", "New", "User", "Passw0rd!", "new@x.example", federation.ids[0]
    )
    changed = root.user.update(created["id"], lastname="Other")
    assert (changed["firstname"], changed["lastname"]) == ("New", "Other")


def test_roles_and_rules(root, federation):
    rules = root.rule.list(name="task", operation="VIEW", include_metadata=False)
    assert {rule["name"] for rule in rules} == {"task"}
    assert root.rule.get(rules[0]["id"])["operation"] == "VIEW"
    ids = [rule["id"] for rule in rules]
    role = root.role.create("watcher", "watches", ids, federation.ids[0])
    assert root.role.get(role["id"])["name"] == "watcher"
    assert root.role.update(role["id"], description="looks")["name"] == "watcher"
    assert [item["id"] for item in root.role.list(name="watch%")["data"]] == [role["id"]]
    assert root.role.delete(role["id"]) is None
    assert root.role.list(name="watch%")["data"] == []


def test_tasks(client, create, federation):
    task = create(federation.ids[:2], method="size")
    assert client.task.get(task["id"])["complete"] is False
    with_results = client.task.get(task["id"], include_results=True)
    assert {result["status"] for result in with_results["results"]} == {"pending"}
    page = client.task.list(name="quest%", collaboration=federation.collaboration["id"])
    assert [item["id"] for item in page["data"]] == [task["id"]]
    listed = client.task.list(include_results=True)["data"]
    assert "organization" in listed[0]["results"][0]
    assert client.task.delete(task["id"]) is None
    assert client.task.list()["data"] == []


def test_a_task_names_its_method_instead_of_an_input(client, federation, monkeypatch):
    asked = {}
    monkeypatch.setattr(client, "post_task", lambda *_, **fields: asked.update(fields))
    where = (federation.collaboration["id"], federation.ids[:1])
    client.task.create(*where, image="i", method="mean", args=[1], kwargs={"a": 2}, master=True)
    call = {"method": "mean", "args": [1], "kwargs": {"a": 2}, "typed": True}
    assert asked["input_"] == {**call, "master": True}
    client.task.create(*where, image="i", method="mean")
    assert asked["input_"] == {"method": "mean", "args": [], "kwargs": {}, "typed": True}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"image": "i"}, "Say what the algorithm shall do"),
        ({"method": "mean"}, "Name the image"),
        ({"image": "i", "method": "mean", "input": {}}, "not by both"),
        ({"image": "i", "input": {}, "kwargs": {"a": 1}}, "go with method"),
        ({"image": "i", "input": {}, "master": True}, "go with method"),
    ],
    ids=["nothing", "no image", "both", "kwargs", "master"],
)
def test_a_task_that_does_not_say_what_to_do_is_refused(client, federation, said, reason):
    with pytest.raises(ValueError, match=reason):
        client.task.create(federation.collaboration["id"], federation.ids, **said)


def test_tasks_are_killed(root, create, federation):
    task = create(federation.ids[:2], method="size")
    assert "stopped" in root.task.kill(task["id"])["msg"]
    assert root.task.get(task["id"])["status"] == "killed by user"
    assert set(root.task.kill(task["id"])) == {"msg"}, "it has ended already"
    other = create(federation.ids[:1], method="size")
    node = root.node.list(organization=federation.ids[0])["data"][0]
    assert "1 run" in root.node.kill_tasks(node["id"])["msg"]
    assert root.task.get(other["id"])["complete"] is True


def test_a_kill_is_waited_for(root, create, federation, monkeypatch):
    task = create(federation.ids[:1], method="size")
    with pytest.raises(TimeoutError, match="not confirmed"):
        root.task.kill(task["id"], wait=0)
    confirmed = iter([[{"id": 1}], []])
    request = root.request
    asked = []

    def confirm(endpoint, **arguments):
        if endpoint != "result":
            return request(endpoint, **arguments)
        asked.append(arguments["params"]["run_id"])
        return next(confirmed)

    monkeypatch.setattr(root, "request", confirm)
    root.task.kill(task["id"], wait=60)
    assert asked == [task["run_id"]] * 2


def test_results(client, create, federation, algorithm):
    with federation.work(algorithm(RPC_size=len), [[1], [1, 2], None]):
        task = create()
        client.wait_for_results(task["id"])
    values = {
        result["organization"]["id"]: result["result"]
        for result in client.result.list(task=task["id"], include_task=True)["data"]
    }
    assert values == dict(zip(federation.ids, [1, 2, None], strict=True))
    listed = client.result.list(organization=federation.ids[1], started=("2020-01-01", None))
    assert [result["result"] for result in listed["data"]] == [2]
    one = client.result.get(listed["data"][0]["id"], include_task=True)
    assert (one["result"], one["task"]["name"]) == (2, "question")
    assert sorted(str(item["result"]) for item in client.result.from_task(task["id"])) == [
        "1",
        "2",
        "None",
    ]
    assert client.result.list(state="open")["data"] == []


def test_a_refusal_of_results_is_handed_on(client, monkeypatch):
    monkeypatch.setattr(client, "_access_token", "not a token")
    monkeypatch.setattr(client, "_refresh_token", None)
    assert set(client.result.from_task(1)) == {"msg"}
    assert set(client.result.list(task=1)) == {"msg"}
    assert set(client.result.get(1, fields=["id"])) == {"msg"}


def test_a_pickled_result_is_read_only_where_that_is_allowed(client, create, federation, algorithm):
    with federation.work(algorithm(RPC_size=len), [[1]] * 3):
        task = create(federation.ids[:1], output_format="pickle")
        client.task.wait(task["id"], allow_pickle=True)
    (result,) = client.result.list(task=task["id"])["data"]
    assert result["result"].startswith(b"pickle.")
    assert client.result.get(result["id"], allow_pickle=True)["result"] == 1
    client.allow_pickle = True
    assert client.result.from_task(task["id"], field="result") == [{"result": 1}]


def test_what_a_method_accepts_can_be_seen(client):
    """Also the keywords that the decorator adds."""
    for sub_client in vars(client).values():
        if isinstance(sub_client, SubClient) and hasattr(sub_client, "list"):
            parameters = set(inspect.signature(sub_client.list).parameters)
            assert parameters >= {"field", "fields", "filter_", "filters"}
            assert sub_client.list.__doc__
