"""`maskgate up | serve | keys | segment | everything | models | bench | capacity | doctor | demo`."""

import click

from maskgate.cli.bench import bench
from maskgate.cli.capacity import capacity
from maskgate.cli.demo import demo
from maskgate.cli.doctor import doctor
from maskgate.cli.everything import everything
from maskgate.cli.keys import keys
from maskgate.cli.models import models
from maskgate.cli.segment import segment
from maskgate.cli.serve import serve
from maskgate.cli.up import up


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="maskgate")
def main() -> None:
    """Promptable segmentation as a service: upload an image once, then ask for masks as often as you like."""


for _command in (up, serve, keys, segment, everything, models, bench, capacity, doctor, demo):
    main.add_command(_command)
