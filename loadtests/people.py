"""Who uses the service, as locust's users: `locust -f loadtests/people.py Annotator --protocol grpc --host …`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, ClassVar

import grpc.experimental.gevent
from locust import User, between, constant, events, task

from loadtests import photos
from loadtests.clients import CLIENTS

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment

grpc.experimental.gevent.init_gevent()

OBJECTS_OF_A_PHOTO = 4
MOST_REFINEMENTS = 3
CROWD_PHOTOS = 24
ZIPF_EXPONENT = 1.1
BATCH_PHOTOS = 4
BATCH_PROMPTS = 16


@events.init_command_line_parser.add_listener
def _add_options(parser: LocustArgumentParser) -> None:
    parser.add_argument("--protocol", choices=sorted(CLIENTS), default="grpc", help="How people call.")
    parser.add_argument("--records", default="", help="A file that gets a line of JSON for each call.")


@events.init.add_listener
def _record(environment: Environment, **_: object) -> None:
    """Keep what locust's own statistics round away."""
    path, records = environment.parsed_options.records, []

    def note(context: dict[str, str], response_time: float, exception: Exception | None, **_: object) -> None:
        records.append(
            {**context, "at": time.time(), "ms": response_time, "error": None if exception is None else repr(exception)}
        )

    def write(**_: object) -> None:
        if path:
            Path(path).write_text("".join(f"{json.dumps(record)}\n" for record in records))

    environment.events.request.add_listener(note)
    environment.events.quitting.add_listener(write)


class Person(User):
    """Somebody with a connection of their own."""

    abstract = True
    _born: ClassVar[int] = 0

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        Person._born += 1
        self.random = Random(Person._born)  # noqa: S311 - nothing is secret
        protocol = environment.parsed_options.protocol
        self.service = CLIENTS[protocol](self.host, environment.events.request.fire)


class Annotator(Person):
    """Opens a photo, clicks on an object, refines its mask by handle, looks at it, goes on to the next object."""

    wait_time = between(0.3, 1.5)

    @task
    def annotate(self) -> None:
        """Annotate one photo."""
        image_id = self.service.upload(photos.fresh(self.random))
        for _ in range(OBJECTS_OF_A_PHOTO):
            handle = ""
            for _ in range(1 + self.random.randint(0, MOST_REFINEMENTS)):
                self.wait()
                handle = self.service.segment(image_id, photos.spot(self.random), handle)


class Crowd(Person):
    """Clicks once on photos that others click on too, on some far more often than on others (Zipf)."""

    wait_time = between(0.05, 0.3)
    _uploaded: ClassVar[list[str]] = []

    def on_start(self) -> None:
        """Find the photos uploaded, or upload them."""
        chooser = Random(0)  # noqa: S311 - nothing is secret
        while len(self._uploaded) < CROWD_PHOTOS:
            self._uploaded.append(self.service.upload(photos.fresh(chooser)))

    @task
    def click(self) -> None:
        """Click once."""
        ranks = range(1, len(self._uploaded) + 1)
        weights = [rank**-ZIPF_EXPONENT for rank in ranks]
        self.service.segment(self.random.choices(self._uploaded, weights)[0], photos.spot(self.random))


class Batch(Person):
    """A program that encodes photos some at a time and asks for many masks of each; it does not stop to think."""

    wait_time = constant(0)

    @task
    def embed(self) -> None:
        """Work one batch off."""
        image_ids = self.service.encode([photos.fresh(self.random) for _ in range(BATCH_PHOTOS)])
        self.service.segment_batch(image_ids, [photos.spot(self.random) for _ in range(BATCH_PROMPTS)])


class ColdStart(Person):
    """Meets a service that knows nothing: every photo is new, and the first click on it comes at once."""

    wait_time = constant(0)

    @task
    def first_click(self) -> None:
        """Upload and click."""
        self.service.segment(self.service.upload(photos.fresh(self.random)), photos.spot(self.random))
