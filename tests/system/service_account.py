"""The file of a Google service account, as an operator downloads it."""

import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

EMAIL = "syncd@lake.iam.gserviceaccount.com"


def service_account(folder: Path, token_url: str) -> str:
    """The path of a new one, whose tokens come from `token_url`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    told = {
        "type": "service_account",
        "client_email": EMAIL,
        "private_key": key.decode(),
        "private_key_id": "1",
        "token_uri": token_url,
    }
    path = folder / "service-account.json"
    path.write_text(json.dumps(told))
    return str(path)
