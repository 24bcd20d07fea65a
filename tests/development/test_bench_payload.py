"""The benchmark of large payloads: all hops are gone, and what comes back is what was sent."""

import csv
from pathlib import Path

import pytest

from development import bench_payload
from development.bench_payload import HEADER, MEMORY, NODE_TO_SERVER, SERVER_TO_CLIENT, WHOLE
from development.console import SetupError


def test_every_hop_is_measured_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_payload, "WARM_UP", bench_payload.MIB)
    table, picture = tmp_path / "payload.csv", tmp_path / "payload.png"
    bench_payload.measure(["--mib", "3", "--csv", str(table), "--picture", str(picture)])
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(HEADER)
    assert [row["measure"] for row in rows] == [NODE_TO_SERVER, SERVER_TO_CLIENT, WHOLE, MEMORY]
    assert all(row["MiB"] == "3" for row in rows)
    assert all(float(row["ratio"]) > 0 for row in rows[:3])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "server to client" in capsys.readouterr().out


def test_what_is_not_what_was_sent_is_no_figure(tmp_path: Path) -> None:
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.write_bytes(b"abc")
    got.write_bytes(b"abd")
    with pytest.raises(SetupError, match="not what was sent"):
        bench_payload._compare(bench_payload._digest(sent), got)
