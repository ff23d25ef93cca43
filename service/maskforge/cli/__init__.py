"""The command line: `maskforge pull | build | plan | train | evaluate | name`, one module a command."""

import logging

from maskforge.cli.group import ForgeGroup


def configure_logging() -> None:
    """Show what the forge itself has to say."""
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(message)s")
    logging.getLogger("maskforge").setLevel(logging.INFO)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that there is no torchvision


main = ForgeGroup(
    name="maskforge",
    help="Make the models that maskgate serves.",
    callback=configure_logging,
    context_settings={"help_option_names": ["-h", "--help"]},
    modules={
        "pull": "maskforge.cli.pull",
        "build": "maskforge.cli.build",
        "plan": "maskforge.cli.plan",
        "train": "maskforge.cli.training",
        "evaluate": "maskforge.cli.evaluation",
        "name": "maskforge.cli.naming",
    },
)
