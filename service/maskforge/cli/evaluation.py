"""`maskforge evaluate`."""

import os
from pathlib import Path

import click

from maskforge.annotations import read_photos
from maskforge.cli.options import EXISTING_FILE, EXISTING_FOLDER, MODEL_NAME
from maskforge.evaluation.contact_sheet import draw_contact_sheet
from maskforge.evaluation.edges.photos import read_edge_photos
from maskforge.evaluation.opening import Checkpoint, Graphs, LocalSubject, Served, Subject
from maskforge.evaluation.protocol import SMALLEST_MASK_SHARE
from maskforge.evaluation.report import as_markdown
from maskforge.evaluation.results import Evaluation
from maskforge.evaluation.running import add_baselines, measure_edges, measure_masks, measure_recall
from maskforge.evaluation.served import Service

MODEL_REPOSITORY = Path("model_repository")


@click.command()
@click.argument("model", type=MODEL_NAME)
@click.option("--data", type=EXISTING_FOLDER, required=True, help="Folder with images/ and annotations.json.")
@click.option("--edges", type=EXISTING_FOLDER, help="Folder of BSDS500 with edges.json: measures edges, too.")
@click.option(
    "--proposals", is_flag=True, help="Measures what is found without prompts, too: a thousand for each photo."
)
@click.option("--baselines", is_flag=True, help="Measures what can be had without a model, too.")
@click.option("--weights", type=EXISTING_FILE, help="Evaluates these weights of lite0 in torch, not the graphs.")
@click.option(
    "--repository", type=EXISTING_FOLDER, help="The model repository of the graphs. Without it model_repository."
)
@click.option("--url", metavar="URL", help="Evaluates the service with this REST address, not the graphs.")
@click.option("--api-key", metavar="KEY", help="The key to show to the service, if it asks for one.")
@click.option(
    "--processes", type=click.IntRange(min=1), help="How many to share the photos. Without it one for each core."
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/evaluation"),
    show_default=True,
    help="Where report.md, figures.json and contact-sheet.png go.",
)
def evaluate(  # noqa: PLR0917 - click calls it with names
    model: str,
    data: Path,
    edges: Path | None,
    weights: Path | None,
    repository: Path | None,
    url: str | None,
    api_key: str | None,
    processes: int | None,
    output: Path,
    *,
    proposals: bool,
    baselines: bool,
) -> None:
    """Measure a model like the paper: clicks, boxes, calibration; and proposals and edges, if asked for."""
    if sum(map(bool, (weights, repository, url))) > 1:
        raise click.UsageError("--weights, --repository and --url exclude each other.")
    if url and (proposals or edges):
        raise click.UsageError(
            "--proposals and --edges need logits that no service gives: evaluate the graphs that it serves."
        )
    cores = processes or len(os.sched_getaffinity(0))
    local: LocalSubject = Checkpoint(weights) if weights else Graphs(repository or MODEL_REPOSITORY, model)
    subject: Subject = Served(Service(url, model, api_key)) if url else local
    # Those with the most masks first, so that no process is left with a long one at the end.
    photos = sorted(read_photos(data, SMALLEST_MASK_SHARE), key=lambda photo: -len(photo.annotations))
    records, pace = measure_masks(photos, subject, cores)
    if baselines:
        records = add_baselines(records, photos, cores)
    evaluation = Evaluation.of(subject.title, records, pace, cores)
    if proposals:
        evaluation = evaluation.with_proposals(measure_recall(photos, local, cores))
    if edges:
        evaluation = evaluation.with_edges(measure_edges(read_edge_photos(edges), local, cores))
    report = as_markdown(evaluation)
    output.mkdir(parents=True, exist_ok=True)
    (output / "report.md").write_text(report, encoding="utf-8")
    (output / "figures.json").write_text(evaluation.as_json(records), encoding="utf-8")
    draw_contact_sheet(photos, records, subject, cores).save(output / "contact-sheet.png")
    click.echo(report)
