"""The command line: `maskforge pull | build | train | evaluate`, one module a command."""

import logging

import click

from maskforge.cli.build import build
from maskforge.cli.training import evaluate, train


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Make the models that maskgate serves."""
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(message)s")
    logging.getLogger("maskforge").setLevel(logging.INFO)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that there is no torchvision


for command in (train, evaluate, build):
    main.add_command(command)
