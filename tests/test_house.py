"""The rules of the house: the documentation says what the code does, and the code is laid out as agreed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from grpc import StatusCode
from prometheus_client import CollectorRegistry

from maskforge.cli import main as maskforge
from maskgate.cli import main as maskgate
from maskgate.domain.errors import MaskgateError
from maskgate.settings import Settings
from maskgate.telemetry import Metrics
from maskgate.transport import status

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SERVICE = ROOT / "service"
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "core", "misc"}


def commands_of(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """A command, or those of a group, by what one types."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for part in command.list_commands(context):
        if inner := command.get_command(context, part):
            yield from commands_of(f"{name} {part}", inner)


COMMANDS = dict([*commands_of("maskgate", maskgate), *commands_of("maskforge", maskforge)])


def rows(page: str, *, section: str = "") -> Iterator[list[str]]:
    """The cells of every row of a page's tables, or of those under one heading; code marks are taken off."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    if section:
        _, _, text = text.partition(f"\n## {section}\n")
        text, _, _ = text.partition("\n## ")
    for block in re.findall(r"^\|[-|]+\|\n((?:\|.*\n?)+)", text, re.MULTILINE):
        for line in block.splitlines():
            yield [cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def below(parent: type[MaskgateError]) -> Iterator[type[MaskgateError]]:
    for child in parent.__subclasses__():
        yield child
        yield from below(child)


def modules() -> list[str]:
    """Every module of the gateway."""
    paths = sorted((SERVICE / "maskgate").rglob("*.py"))
    return [".".join(path.relative_to(SERVICE).with_suffix("").parts).removesuffix(".__init__") for path in paths]


# The documentation


def test_every_setting_is_documented() -> None:
    """docs/settings.md names each setting's variable exactly once, with a meaning."""
    documented = [variable for variable, _, meaning in rows("settings.md") if meaning]

    assert sorted(f"MASKGATE_{name.upper()}" for name in Settings.model_fields) == sorted(documented)


def test_documented_defaults_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that holds what docs/settings.md calls the defaults changes nothing."""
    for variable, value, _ in rows("settings.md"):
        monkeypatch.setenv(variable, value)

    given: dict[str, Any] = {}
    assert {name: field.default for name, field in Settings.model_fields.items()} == Settings(**given).model_dump()


def test_every_setting_is_read() -> None:
    """No setting gives false safety: the composition root, its command or a rule among settings reads each of them."""
    readers = dict.fromkeys((SERVICE / "maskgate/bootstrap").glob("*.py"), "settings")
    readers |= {SERVICE / "maskgate/cli/serve.py": "settings", SERVICE / "maskgate/settings.py": "self"}
    read = set()
    for path, name in readers.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name:
                read.add(node.attr)

    assert set(Settings.model_fields) == read


def test_every_metric_is_documented() -> None:
    """docs/metrics.md names each metric as it is exposed, with its type and labels."""
    registry = CollectorRegistry()
    Metrics(registry)
    expected = {}
    for collector in registry._collector_to_names:
        (family,) = collector.describe()  # type: ignore[attr-defined]
        labels = ", ".join(collector._labelnames) or "—"  # type: ignore[attr-defined]
        name = f"{family.name}_total" if family.type == "counter" else family.name
        expected[name] = (family.type, labels)

    documented = {name: (kind, labels) for name, kind, labels, meaning in rows("metrics.md") if meaning}

    assert expected == documented


def test_metrics_are_named_by_the_rules() -> None:
    """Names are of one prefix, say a base unit last and no type, and nothing that Prometheus adds by itself."""
    registry = CollectorRegistry()
    Metrics(registry)
    wrong = []
    for family in registry.collect():
        words = family.name.split("_")
        units = {"milliseconds", "ms", "minutes", "kilobytes", "kb", "mib", "percent"} | {
            "counter",
            "gauge",
            "histogram",
        }
        if words[0] != "maskgate" or units & set(words) or not re.fullmatch(r"[a-z_]+", family.name):
            wrong.append(family.name)
        if words[-1] in {"total", "count", "sum", "bucket", "info"}:
            wrong.append(family.name)
        if {"seconds", "bytes"} & set(words[:-1]) or (words[-1] in {"duration", "time", "size"}):
            wrong.append(family.name)
        if not family.documentation.endswith("."):
            wrong.append(family.name)

    assert [] == wrong


def test_every_error_is_documented() -> None:
    """docs/errors.md names each reason, with the code and HTTP status that clients get."""
    codes = {error.reason: status.code_of(error("")) for error in below(MaskgateError)}
    codes[status.INTERNAL_REASON] = StatusCode.INTERNAL
    expected = {reason: (code.name, str(status.HTTP_STATUS[code])) for reason, code in codes.items()}

    documented = {reason: (code, http) for reason, code, http, when, _ in rows("errors.md") if when}

    assert expected == documented


def test_every_command_is_documented() -> None:
    """docs/cli.md has a section for each command, and for nothing else."""
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(COMMANDS) == sorted(headings)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented(command: str) -> None:
    """docs/cli.md names each option and argument of a command, with its default and a meaning."""
    expected = {name_of(parameter): default_of(command, parameter) for parameter in COMMANDS[command].params}

    documented = {name: default for name, default, meaning in rows("cli.md", section=command) if meaning}

    assert expected == documented


def name_of(parameter: click.Parameter) -> str:
    return ", ".join(parameter.opts) if isinstance(parameter, click.Option) else str(parameter.name).upper()


def default_of(command: str, parameter: click.Parameter) -> str:
    """A default as docs/cli.md writes it; what `serve` is not told comes from the settings."""
    if parameter.required:
        return "required"
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return "off"
    default = parameter.to_info_dict()["default"]
    if command == "maskgate serve":
        default = Settings.model_fields[str(parameter.name)].default
    if isinstance(default, list | tuple):
        default = ", ".join(default)
    if isinstance(default, float):
        return f"{default:g}"
    return "—" if default in {None, ""} else str(default)


PAGES = [
    path
    for folder in ("", "docs", "model_repository", "deploy")
    for path in (ROOT / folder).glob("**/*.md" if folder else "*.md")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A link or picture of a page that points to a file of the repository finds it."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [] == [link for link in links if not (page.parent / link).exists()]


# The code


def test_no_module_is_a_drawer() -> None:
    """A module is named after what it is for; a drawer for leftovers would be the first to grow."""
    paths = [path.relative_to(SERVICE) for path in SERVICE.rglob("*.py")]

    assert [] == [str(path) for path in paths if FORBIDDEN_NAMES & {*path.parent.parts, path.stem}]


def test_importing_does_nothing() -> None:
    """Every module of the gateway can be imported with an empty environment, and none starts, binds or connects."""
    script = f"""
import importlib, sys
sys.argv = ["sentinel"]
def watch(event, arguments):
    if event in ("socket.bind", "socket.connect", "subprocess.Popen", "os.fork", "os.exec", "os.posix_spawn"):
        raise RuntimeError(f"{{event}} {{arguments}}")
sys.addaudithook(watch)
for name in {modules()!r}:
    importlib.import_module(name)
assert sys.argv == ["sentinel"]
"""

    finished = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", script], env={}, check=False, capture_output=True, text=True
    )

    assert ("", 0) == (finished.stderr, finished.returncode)


def test_the_gateway_needs_no_torch() -> None:
    """What runs in production does not import what models are made with."""
    script = """
import sys
import maskgate.bootstrap, maskgate.cli
print(sorted({"torch", "onnx", "onnxruntime", "cv2", "maskforge", "openvino"} & set(sys.modules)))
"""

    finished = subprocess.run([sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True)

    assert "[]\n" == finished.stdout
