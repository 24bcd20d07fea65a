"""The values of a task, or why there are none."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from vantage6.common.exceptions import (
    DeserializationException,
    EncryptionError,
    TaskFailed,
    TaskUnfinished,
)


def test_values_come_in_the_order_of_the_organizations(client, federation, create, algorithm):
    with federation.work(algorithm(RPC_size=len), [[1], [1, 2], []]):
        task = create()
        assert client.task.wait(task["id"]) == [1, 2, 0]
    assert client.task.results(task["id"]) == [1, 2, 0]


def test_the_classic_way_gives_the_bytes(client, federation, create, algorithm):
    with federation.work(algorithm(RPC_size=len), [[1], [1, 2], []]):
        task = create(federation.ids[:1])
        (result,) = client.wait_for_results(task["id"])
    assert result["result"] == b"json.1"
    assert result["input"].startswith(b"json.")


def test_a_failure_tells_where_and_why_with_the_log(client, federation, create, algorithm):
    def small(data):
        if len(data) > 1:
            raise ValueError("too many rows")

    with federation.work(algorithm(RPC_size=small), [[1], [1, 2], []]):
        task = create()
        with pytest.raises(TaskFailed) as caught:
            client.task.wait(task["id"])
    text = str(caught.value)
    assert text.splitlines()[0].startswith(
        f"Task {task['id']} failed at beta (crashed): ValueError: too many rows ("
    )
    assert (
        "    warn > Error encountered while calling RPC_size: ValueError: too many rows (" in text
    )
    assert "Log of beta:\n    info > started" in text
    assert [run["organization"]["id"] for run in caught.value.runs] == [federation.ids[1]]


def test_a_failure_of_subtasks_is_one_sentence_with_names(client, federation, create, algorithm):
    _one, two, three = federation.ids
    unknown = 999_999
    told = (
        f"Task 7 failed at organization {two}, organization {three} (crashed): "
        f"InputError: There is no column 'height'; organization {unknown} has none either"
    )

    def ask(client, data):
        raise TaskFailed(told)

    with federation.work(algorithm(ask=ask), [[1], [1, 2], []]):
        task = create(federation.ids[:1], method="ask", master=True)
        with pytest.raises(TaskFailed) as caught:
            client.task.wait(task["id"])
    text = str(caught.value)
    assert text.startswith(
        f"Task {task['id']} failed at alpha (crashed): Task 7 failed at beta, gamma (crashed): "
        f"InputError: There is no column 'height'; organization {unknown} has none either ("
    )
    assert f"    warn > Error encountered while calling ask: TaskFailed: {told} (" in text


def small(data):
    if len(data) > 1:
        raise ValueError("too many rows")
    return [{"rows": len(data)}]


@pytest.fixture
def half(federation, create, algorithm):
    """A task that failed at one of three organizations."""
    with federation.work(algorithm(RPC_small=small), [[1], [1, 2], []]):
        task = create(method="small")
        federation.client("alpha").send("get", f"task/{task['id']}", params={"wait": 30})
        yield task["id"]


def test_what_came_back_is_not_lost_by_a_failure(client, federation, half):
    one, two, three = federation.ids
    with pytest.raises(TaskFailed) as caught:
        client.task.results(half)
    assert caught.value.answers == {one: [{"rows": 1}], three: [{"rows": 0}]}
    assert caught.value.failures[two].status == "crashed"
    assert "too many rows" in caught.value.failures[two].reason
    assert "The answers of 2 other(s) are kept" in str(caught.value)


def test_failures_may_be_allowed(client, federation, half):
    one, two, three = federation.ids
    outcome = client.task.wait(half, allow_failures=True)
    assert outcome.answers == {one: [{"rows": 1}], three: [{"rows": 0}]}
    assert outcome.failures[two].log[0] == "info > started"
    named = client.task.results(half, allow_failures=True, by_organization=True)
    assert list(named.answers) == ["alpha", "gamma"]
    assert list(named.failures) == ["beta"]


def test_values_can_be_had_by_organization(client, federation, create, algorithm):
    with federation.work(algorithm(RPC_size=len), [[1], [1, 2], []]):
        id_ = create()["id"]
        assert client.task.wait(id_, by_organization=True) == {"alpha": 1, "beta": 2, "gamma": 0}
    ids = dict(zip(federation.ids, [1, 2, 0], strict=True))
    assert client.task.results(id_, by_organization="id") == ids


def test_answers_can_be_had_as_a_table(client, federation, create, algorithm):
    with federation.work(algorithm(RPC_small=small), [[1], [], []]):
        all_, one = create(method="small"), create(federation.ids[:1], method="small")
        client.task.wait(all_["id"])
        client.task.wait(one["id"])
    assert client.task.table(one["id"]).to_dict("records") == [{"rows": 1}]
    frame = client.task.table(all_["id"])
    assert frame.loc["alpha", "rows"].tolist() == [1]
    assert frame.index.get_level_values("organization").tolist() == ["alpha", "beta", "gamma"]


def test_a_task_that_is_not_there_has_no_table(client):
    with pytest.raises(ValueError, match="Task 999999 has no results, or none that you may see"):
        client.task.table(999_999)


def test_words_of_others_do_not_steer_the_terminal(client, federation, create, algorithm):
    def hostile(data):
        raise ValueError("\x1b]0;title\x07\x1b[2J\u202e")

    nodes = federation.work(algorithm(RPC_hostile=hostile), [[1], [1], [1]])
    with nodes, pytest.raises(TaskFailed) as caught:
        client.task.wait(create(method="hostile")["id"], show_progress=False)
    text = str(caught.value)
    assert "title" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_silence_is_silent(client, federation, create, algorithm, capfd):
    with federation.work(algorithm(RPC_size=len), [[1], [1, 2], []]):
        task = create()
        capfd.readouterr()
        client.task.wait(task["id"], show_progress=False)
        said = capfd.readouterr()
    assert [line for line in said.out.splitlines() if not line.startswith("info > ")] == []
    assert "task" not in said.err


def test_a_task_that_goes_on_has_no_values_yet(client, create):
    with pytest.raises(TaskUnfinished):
        client.task.results(create()["id"])


def test_a_pickle_is_refused_unless_allowed(client, federation, create, algorithm):
    with federation.work(algorithm(RPC_size=len), [[1], [1, 2], []]):
        task = create(federation.ids[:1], output_format="pickle")
        with pytest.raises(DeserializationException, match="allow_pickle"):
            client.task.wait(task["id"])
    assert client.task.results(task["id"], allow_pickle=True) == [1]


@pytest.mark.parametrize("data_format", ["pickle", "legacy"])
def test_inputs_in_other_formats_are_answered_in_them(client, federation, algorithm, data_format):
    with federation.work(algorithm(RPC_size=len), [[1], [1, 2], []]):
        task = client.task.create(
            federation.collaboration["id"],
            federation.ids[:1],
            "question",
            "algorithm",
            "",
            {"method": "size"},
            data_format=data_format,
        )
        assert client.task.wait(task["id"], allow_pickle=True) == [1]


@pytest.fixture
def keys(tmp_path):
    """Two private key files; shorter than real ones, which take seconds to make."""
    paths = [tmp_path / "a.pem", tmp_path / "b.pem"]
    for path in paths:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
    return paths


@pytest.fixture
def secret(app, federation):
    """A collaboration of the first two organizations that is encrypted."""
    root, ids = federation.root, federation.ids[:2]
    collaboration = root.collaboration.create("secret", ids, encrypted=True)
    for id_ in ids:
        root.node.create(collaboration["id"], id_)
    return collaboration["id"], ids


def ask(client, secret, organizations):
    return client.task.create(
        secret[0], organizations, "question", "algorithm", "", {"method": "size"}
    )


def as_admin(federation, client, **changes):
    federation.root.organization.update(client.whoami.organization_id, **changes)


def test_an_organization_without_a_key_is_named(federation, client, secret, keys):
    as_admin(federation, client, public_key=key_of(client, keys[0]))
    client.setup_encryption(keys[0])
    with pytest.raises(EncryptionError, match="'beta' has no public key"):
        ask(client, secret, secret[1])


def key_of(client, path):
    from vantage6.common.encryption import RSACryptor

    return RSACryptor(path).public_key_str


def test_the_input_is_for_its_organization_and_the_result_for_ours(
    federation, client, secret, keys
):
    from vantage6.common.encryption import RSACryptor

    as_admin(federation, client, public_key=key_of(client, keys[0]))
    client.setup_encryption(keys[0])
    task = ask(client, secret, secret[1][:1])
    (run,) = client.request("result", params={"task_id": task["id"]})
    assert RSACryptor(keys[0]).decrypt_str_to_bytes(run["input"]).startswith(b"json.")
    assert base64.b64decode(run["input"].split("$")[1])


def test_a_result_that_is_not_encrypted_is_told(client, federation, create, algorithm, keys):
    with federation.work(algorithm(RPC_size=len), [[1], [1], [1]]):
        task = create()
        client.task.wait(task["id"])
    as_admin(federation, client, public_key=key_of(client, keys[1]))
    client.setup_encryption(keys[1])
    with pytest.raises(EncryptionError, match="is not encrypted"):
        client.task.results(task["id"])
