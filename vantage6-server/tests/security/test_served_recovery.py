"""The way back into an account, on a server that runs as it does for operators."""

from pathlib import Path

from mailserver import run_mail_server
from served import Served, write_config


def test_a_served_server_mails(tmp_path: Path) -> None:
    with run_mail_server(tmp_path / "mail") as mail:
        config = write_config(tmp_path, smtp=mail.config(), two_factor_auth=True)
        with Served("--config", str(config)) as server:
            shown = server.post("token/user", {"username": "root", "password": "root"})
            assert shown.json().keys() == {"qr_uri", "otp_secret", "msg"}
            assert server.post("recover/lost", {"username": "root"}).status_code == 200
            assert mail.arrived.wait(60)
            server.terminate()
    assert mail.were_safe == [True]
    assert mail.messages[0]["To"] == "root@domain.ext"
