"""Shows the codes that set up a second factor."""

from typing import Any

import qrcode


def print_qr_code(json_data: dict[str, Any]) -> None:
    """Print the code for an authenticator app, and its secret for those who type it.

    Parameters
    ----------
    json_data : dict
        The server's reply, with `qr_uri` and `otp_secret`.
    """
    code = qrcode.QRCode()
    code.add_data(json_data["qr_uri"])
    code.print_ascii()
    print(json_data.get("msg", "Scan the code with an authenticator app, then log in again."))
    if json_data.get("otp_secret"):
        print(f"Without a camera, type this secret into the app: {json_data['otp_secret']}")


def print_recovery_codes(json_data: dict[str, Any]) -> None:
    """Print the codes that stand in for a lost authenticator app.

    Parameters
    ----------
    json_data : dict
        The server's reply, with `recovery_codes`.
    """
    print(json_data.get("msg", "Keep these recovery codes: each replaces the app once."))
    print("\n".join(json_data["recovery_codes"]))


def show_qr_code_image(qr_uri: str) -> None:
    """Show the code as a picture in a window; needs the Pillow library."""
    qrcode.make(qr_uri).show()
