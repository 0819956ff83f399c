"""What a profile of AWS says, in ``~/.aws``: obstore reads none."""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import Any

from traintop.text import safe_text

_LONGEST_REASON = 200

# What obstore finds by itself.
_OTHER_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SKIP_SIGNATURE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_IN_PROFILE = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
    "endpoint_url": "endpoint",
}
_LOGS_IN = ("sso_session", "sso_start_url", "role_arn", "credential_process", "login_session")


def aws_profile(place: str) -> dict[str, Any]:
    """What the profile of AWS says, which obstore does not read, where the environment does not.

    Keys are taken as they are; where AWS's own tools log in, they are asked.
    """
    if any(map(os.environ.get, _OTHER_CREDENTIALS)):
        return {}
    name = os.environ.get("AWS_PROFILE", "default")
    in_config = name if name == "default" else f"profile {name}"
    config = _section("AWS_CONFIG_FILE", "config", in_config)
    said = config | _section("AWS_SHARED_CREDENTIALS_FILE", "credentials", name)
    if not said and name != "default":
        raise ValueError(f"{place}: there is no profile {name}: see AWS_PROFILE and ~/.aws")
    found: dict[str, Any] = {ours: said.get(theirs, "") for theirs, ours in _IN_PROFILE.items()}
    if os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        found["region"] = ""
    if not found["access_key_id"] and not said.keys().isdisjoint(_LOGS_IN):
        try:
            from obstore.auth.boto3 import Boto3CredentialProvider
        except ImportError:
            raise ValueError(
                f"{place}: the profile {name} needs boto3: pip install boto3"
            ) from None
        found["credential_provider"] = Boto3CredentialProvider()
    return found


def _section(variable: str, file: str, name: str) -> dict[str, str]:
    path = Path(os.environ.get(variable) or Path.home() / ".aws" / file)
    parser = configparser.RawConfigParser()
    try:
        parser.read(path)
    except (configparser.Error, UnicodeDecodeError) as error:
        first = safe_text(str(error).partition("\n")[0], _LONGEST_REASON)
        raise ValueError(f"{path} cannot be read: {first}") from None
    return dict(parser[name]) if parser.has_section(name) else {}
