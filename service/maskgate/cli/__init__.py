"""`maskgate up | serve | keys | segment | demo`."""

import click

from maskgate.cli.demo import demo
from maskgate.cli.keys import keys
from maskgate.cli.segment import segment
from maskgate.cli.serve import serve
from maskgate.cli.up import up


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="maskgate")
def main() -> None:
    """Promptable segmentation as a service: upload an image once, then ask for masks as often as you like."""


for _command in (up, serve, keys, segment, demo):
    main.add_command(_command)
