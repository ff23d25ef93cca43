"""Rules that hold between settings."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from maskgate.cli import main
from maskgate.settings import Settings

ANY = "0.0.0.0"  # noqa: S104 - it is what is tested


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.4.5", "::1", "localhost"])
def test_the_loopback_needs_no_guard(host: str) -> None:
    """Without keys the gateway listens on the loopback of either protocol."""
    assert host == Settings(host=host).host


@pytest.mark.parametrize("host", [ANY, "::", "10.0.0.1", "gateway", ""])
def test_elsewhere_everybody_could_do_everything(host: str) -> None:
    """An address that others may reach is refused, as is a name that may come to mean one, unless that is meant."""
    with pytest.raises(ValidationError, match="--insecure"):
        Settings(host=host)
    assert host == Settings(host=host, insecure=True).host


@pytest.mark.parametrize(
    "files",
    [{"tls_cert_file": "a"}, {"tls_key_file": "a"}, {"tls_client_ca_file": "a"}],
    ids=lambda files: next(iter(files)),
)
def test_half_of_tls_is_none(files: dict[str, Any]) -> None:
    """A file without those that belong to it is refused: a gateway in the clear would be a surprise."""
    with pytest.raises(ValidationError, match="tls_cert_file"):
        Settings(**files)


@pytest.mark.parametrize("setting", ["triton_url", "encoder_url"])
@pytest.mark.parametrize("url", ["a..b:8001", f"{'a' * 64}:8001", "triton", "triton:\N{SUPERSCRIPT TWO}"])
def test_what_cannot_be_looked_up_is_no_host(setting: str, url: str) -> None:
    """Names of hosts and ports that none can have are refused at the start, not each time that somebody looks."""
    with pytest.raises(ValidationError, match="must be host:port"):
        Settings(**{setting: f"triton:8001,{url}"})


@pytest.mark.parametrize("command", ["serve", "up"])
def test_commands_say_it_in_one_line(command: str) -> None:
    """`serve` and `up` end at once, and say what may be done about it."""
    result = CliRunner().invoke(main, [command, "--host", ANY])

    assert 2 == result.exit_code
    assert "Error: host 0.0.0.0 is not the loopback" in result.output
    assert "--insecure" in result.output


def test_up_has_no_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """`maskgate up` does not start a gateway in the clear where the environment asks for TLS."""
    monkeypatch.setenv("MASKGATE_TLS_CERT_FILE", "cert.pem")
    monkeypatch.setenv("MASKGATE_TLS_KEY_FILE", "key.pem")

    result = CliRunner().invoke(main, ["up"])

    assert 2 == result.exit_code
    assert "maskgate up serves in the clear" in result.output


def test_encoders_that_are_away_have_an_address() -> None:
    """How long encoders take to start says nothing of a Triton that decodes as well."""
    with pytest.raises(ValidationError, match="needs encoder_url"):
        Settings(encoder_start_seconds=60)

    assert 60 == Settings(encoder_url="encoder:8001", encoder_start_seconds=60).encoder_start_seconds
