"""`maskforge name`."""

import os
from pathlib import Path

import click

from maskforge.annotations import read_photos
from maskforge.cli.options import EXISTING_FILE, EXISTING_FOLDER
from maskforge.evaluation.protocol import SMALLEST_MASK_SHARE
from maskforge.semantics.files import LABELS_FILE, save_labeller
from maskforge.semantics.learning import learn
from maskforge.semantics.reading import read_examples
from maskforge.semantics.report import as_markdown
from maskforge.semantics.scoring import measure_by_source
from maskforge.semantics.vocabulary import learnable


@click.command()
@click.option(
    "--weights", type=EXISTING_FILE, required=True, help="Weights of lite0, whose embeddings are learnt from."
)
@click.option(
    "--data", type=EXISTING_FOLDER, required=True, help="Folder to learn from, with images/ and annotations.json."
)
@click.option("--test", type=EXISTING_FOLDER, help="Folder to measure on, of photos that are not learnt from.")
@click.option(
    "--processes", type=click.IntRange(min=1), help="How many to share the photos. Without it one for each core."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("runs", LABELS_FILE),
    show_default=True,
    help="Where the labels go.",
)
def name(weights: Path, data: Path, test: Path | None, processes: int | None, output: Path) -> None:
    """Learn names for masks, from the embeddings as they are."""
    cores = processes or len(os.sched_getaffinity(0))
    photos = read_photos(data, SMALLEST_MASK_SHARE)
    labels = learnable(photos)
    labeller = learn(read_examples(photos, weights, cores), labels)
    output.parent.mkdir(parents=True, exist_ok=True)
    save_labeller(labeller, output)
    click.echo(f"{output}: {len(labels)} labels; an answer below a probability of {labeller.threshold:.2f} is unknown")
    if test:
        seen = read_examples(read_photos(test, SMALLEST_MASK_SHARE), weights, cores)
        click.echo(as_markdown(measure_by_source([example for photo in seen for example in photo], labeller)))
