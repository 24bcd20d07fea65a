"""The page on how to use the client does what it says."""

from pathlib import Path

from development.pages import run_page
from vantage6.client.profile import profiles_folder

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "use-the-client.md"


def test_the_page_does_what_it_says(live, federation, algorithm, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("VANTAGE6_HOST", "http://127.0.0.1")
    monkeypatch.setenv("VANTAGE6_PORT", str(live))
    folder = profiles_folder()
    folder.mkdir(parents=True)
    profile = PAGE.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    (folder / "study.yaml").write_text(profile, encoding="utf-8")
    (folder / "word").write_text("Passw0rd!\n", encoding="utf-8")
    (folder / "word").chmod(0o600)
    # The nodes of this test work in this process, where containers would have a log of their own.
    monkeypatch.setattr("vantage6.tools.dispatch.info", lambda _: None)
    module = algorithm(RPC_size=lambda data, unit: f"{len(data)} {unit}")
    with federation.work(module, [[1] * 2, [1] * 3, [1] * 5]):
        made = run_page(PAGE, tmp_path)
    for name in ("client", "careful"):
        made[name].transport.close()
