"""The settings, read from the environment and nowhere else; only the door (cli, bootstrap) sees them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from maskgate.domain.address import is_loopback
from maskgate.domain.url import HOST_PATTERN

_MEBI = 1024 * 1024


def _host_and_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("must be host:port")
    try:
        host.encode("idna")  # as it is looked up
    except UnicodeError as error:
        raise ValueError(f"must be host:port, and {host!r} cannot be a host's name") from error
    return value


def _hosts_and_ports(value: str) -> str:
    return ",".join(_host_and_port(part.strip()) for part in value.split(","))


def _redis_url(value: str) -> str:
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must start with redis://, rediss:// or unix://")
    return value


class Settings(BaseSettings):
    """Each field is the environment variable MASKGATE_ and its name in upper case. docs/settings.md lists them."""

    model_config = SettingsConfigDict(env_prefix="MASKGATE_", frozen=True, extra="forbid")

    host: str = Field(
        "127.0.0.1",
        description="Address to listen on. Another one than the loopback needs `api_keys_file` or `insecure`.",
    )
    api_keys_file: str = Field(
        "", description="File of API keys, as `maskgate keys new` writes it: every call then needs one."
    )
    insecure: bool = Field(
        default=False,
        description="Lets everybody do everything who reaches an address that is not the loopback, without a key.",
    )
    tls_cert_file: str = Field("", description="PEM with the certificate and its chain: both ports then speak TLS.")
    tls_key_file: str = Field("", description="PEM with the certificate's key, not encrypted.")
    tls_client_ca_file: str = Field(
        "", description="PEM with the authorities whose certificates clients have to show on both ports (mTLS)."
    )
    grpc_port: int = Field(50051, ge=0, le=65535, description="Port of gRPC; 0 picks a free one.")
    http_port: int = Field(8080, ge=0, le=65535, description="Port of REST, probes and metrics; 0 picks a free one.")
    http_hosts: tuple[Annotated[str, Field(pattern=f"^{HOST_PATTERN}$")], ...] = Field(
        (),
        description="Names by which REST may be asked without keys, beside addresses and localhost, as a JSON list "
        'such as ["masks.example.com", "*.example.org"]. Without any, and with `insecure`, by every name.',
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that share both ports, and all that a gateway may use. One listens by itself.",
    )
    triton_url: Annotated[str, AfterValidator(_hosts_and_ports)] = Field(
        "127.0.0.1:8001",
        description="host:port of Triton's gRPC endpoint; of several, with commas between them. "
        "They have to serve the same models.",
    )
    encoder_url: Annotated[str, AfterValidator(lambda value: _hosts_and_ports(value) if value else value)] = Field(
        "",
        description="host:port of the Tritons that encode, where those of `triton_url` only decode; a host may be a "
        "name of several, or of none at present.",
    )
    encoder_start_seconds: NonNegativeFloat = Field(
        0.0,
        description="How long an encoder usually takes to start, where they may be scaled to zero. Calls that have the "
        "time wait for one, others are told to come again. 0: encoders are always there.",
    )
    redis_url: Annotated[str, AfterValidator(_redis_url)] = Field(
        "redis://127.0.0.1:6379/0",
        description="Redis or Valkey, as redis://, rediss:// or unix://; embeddings and images are kept there.",
    )
    models: tuple[str, ...] = Field(
        ("lite0",),
        min_length=1,
        description='Models that clients may ask for, as a JSON list such as ["vit_h", "lite0"]; '
        "the first is the default.",
    )
    max_upload_bytes: PositiveInt = Field(32 * 1000 * 1000, description="Largest upload in bytes.")
    max_image_pixels: PositiveInt = Field(
        64 * 1000 * 1000, description="Most pixels of an image, read from its header before it is decoded."
    )
    max_image_side: PositiveInt = Field(32768, description="Most pixels along a side of an image.")
    image_url_hosts: tuple[Annotated[str, Field(pattern=f"^{HOST_PATTERN}$")], ...] = Field(
        (),
        description='Hosts that images may be fetched from, as a JSON list such as ["example.com", "*.example.org"]; '
        "none: no image is fetched.",
    )
    image_url_timeout_seconds: PositiveFloat = Field(
        10.0, description="Time to fetch an image, from looking its host up to the last byte."
    )
    embedding_memory_bytes: PositiveInt = Field(
        512 * _MEBI, description="L1: most bytes of embeddings in this process; one of SAM has 2 MiB."
    )
    embedding_slot_bytes: PositiveInt = Field(
        2 * _MEBI,
        description="Size of a place for one embedding in shared memory: the largest of those that the models make. "
        "A larger embedding is not kept in L1.",
    )
    shared_memory: Literal["auto", "off"] = Field(
        "auto",
        description="auto keeps L1 in /dev/shm, where a Triton on the same machine reads it. off keeps it in this "
        "process, and every prompt carries its embedding, as it does to a Triton elsewhere.",
    )
    shared_memory_prefix: str = Field(
        "maskgate",
        pattern=r"^[A-Za-z0-9_.-]{1,100}$",
        description="Begins the name of the file in /dev/shm. Gateways of one prefix clear up after each other.",
    )
    embedding_ttl_seconds: PositiveInt = Field(
        7 * 24 * 3600, description="L2: an embedding that nobody asks for lives that long in Redis."
    )
    embedding_storage: Literal["fp16", "int8"] = Field(
        "fp16", description="L2: how embeddings are written to Redis. int8 takes half the memory; both are read."
    )
    image_memory_bytes: PositiveInt = Field(
        128 * _MEBI, description="Most bytes of recent uploads kept in this process, for when Redis is away."
    )
    image_ttl_seconds: PositiveInt = Field(
        24 * 3600,
        description="An image that nobody asks for lives that long in Redis. Longer means that evicted embeddings "
        "can be made again; shorter saves memory.",
    )
    mask_memory_bytes: PositiveInt = Field(
        64 * _MEBI, description="Most bytes of answered masks kept in this process; one of SAM has 128 KiB."
    )
    mask_ttl_seconds: PositiveInt = Field(
        600, description="A mask that no prompt starts from is kept that long, in this process and in Redis."
    )
    mask_share: bool = Field(
        default=True,
        description="Whether masks are kept in Redis, too, so that the next prompt can reach any gateway.",
    )
    redis_connections: PositiveInt = Field(32, description="Most connections to Redis.")
    redis_connect_timeout_seconds: PositiveFloat = Field(0.5, description="Time to connect to Redis.")
    redis_timeout_seconds: PositiveFloat = Field(
        2.0, description="Time for one answer of Redis; the largest upload has to fit."
    )
    describe_timeout_seconds: PositiveFloat = Field(
        2.0, description="Time for Triton to describe a model or tell its health."
    )
    encode_timeout_seconds: PositiveFloat = Field(
        120.0,
        description="Time for Triton to encode an image, its queue included: four of ViT-H on a slow CPU. A caller "
        "waits no longer than the call's own deadline, but the encode goes on and is remembered.",
    )
    encode_lease_seconds: float = Field(
        5.0,
        ge=0.5,
        description="How long the other gateways wait for one that died while it encoded, before one of them does.",
    )
    decode_timeout_seconds: PositiveFloat = Field(
        10.0, description="Time for Triton to decode a prompt, its queue included."
    )
    decode_many_timeout_seconds: PositiveFloat = Field(
        60.0,
        description="Time for Triton to decode prompts that go together, its queue included: 64 long ones take seconds "
        "on a CPU, and others may be before them.",
    )
    retry_ratio: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Second attempts for each call to Triton, in the long run; more would double the load of one that "
        "is overwhelmed. 0 never tries again.",
    )
    spec_ttl_seconds: PositiveFloat = Field(
        30.0, description="How long a model's spec is believed; a replaced engine is noticed after that."
    )
    encode_concurrency: PositiveInt = Field(
        4, description="Encodes at once; more only wait in Triton, where nobody else can overtake them."
    )
    encode_waiting: PositiveInt = Field(
        64, description="Encodes that may wait for a place; further ones are refused with RESOURCE_EXHAUSTED."
    )
    encode_images_concurrency: PositiveInt = Field(
        2,
        description="Images of all EncodeImages calls that are being encoded at once. Fewer than encodes at once: "
        "the rest is for images that somebody clicks on.",
    )
    upload_concurrency: PositiveInt = Field(8, description="Uploads that are read and stored at once.")
    upload_waiting: PositiveInt = Field(
        64,
        description="Uploads that may wait for a place, in memory; further ones are refused with RESOURCE_EXHAUSTED.",
    )
    decode_concurrency: PositiveInt = Field(
        64, description="Decodes at once: twice the largest batch keeps the decoder busy."
    )
    decode_waiting: PositiveInt = Field(
        1024, description="Decodes that may wait for a place; further ones are refused with RESOURCE_EXHAUSTED."
    )
    bulk_concurrency: PositiveInt = Field(
        4,
        description="Chunks of batches at once, from their decoding to their last mask; each has up to 64 prompts and, "
        "with SAM, 8 MiB of logits, or 32 where all masks are asked for.",
    )
    bulk_waiting: PositiveInt = Field(
        64, description="Chunks of batches that may wait for a place; images beyond are refused."
    )
    batch_images: PositiveInt = Field(8, description="Images of one batch that are worked on at once.")
    max_batch_prompts: int = Field(256, ge=1, le=4096, description="Most prompts of one batch, and most images.")
    render_waiting: PositiveInt = Field(
        256, description="Answers that may wait to be scaled up and written; further ones are refused."
    )
    threads: PositiveInt = Field(4, description="Threads for reading images, hashing and upscaling masks.")
    request_timeout_seconds: PositiveFloat = Field(
        60.0, description="Deadline of calls whose client sets none or a longer one."
    )
    generation_timeout_seconds: PositiveFloat = Field(
        600.0, description="Deadline of generations whose client sets none or a longer one."
    )
    generation_ttl_seconds: PositiveInt = Field(
        600, description="What a batch of a generation has found is remembered that long, for one that is resumed."
    )
    generation_concurrency: PositiveInt = Field(
        2,
        description="Generations at once, and threads of their own for what they find; each has two batches in the "
        "decoder or its filters.",
    )
    generation_waiting: PositiveInt = Field(
        16, description="Generations that may wait for a place; further ones are refused with RESOURCE_EXHAUSTED."
    )
    generation_memory_bytes: PositiveInt = Field(
        64 * _MEBI,
        description="Logits that a generation keeps of masks that it has not finished; those of further ones are "
        "decoded again.",
    )
    generation_idle_seconds: PositiveFloat = Field(
        60.0,
        description="A generation whose client reads nothing for so long is ended; a cursor goes on with it.",
    )
    max_generation_prompts: PositiveInt = Field(16384, description="Most points of a generation, in all its crops.")
    max_concurrent_calls: PositiveInt = Field(
        2048, description="Calls at once, over both protocols; further ones are refused with RESOURCE_EXHAUSTED."
    )
    max_streams: PositiveInt = Field(
        512, description="Streams of prompts at once, over both protocols; they count among the calls, too."
    )
    stream_idle_seconds: PositiveFloat = Field(
        300.0, description="A stream whose client says nothing for so long is ended."
    )
    probe_interval_seconds: PositiveFloat = Field(
        2.0, description="Time between looks at Triton and Redis for /readyz and gRPC health."
    )
    stop_delay_seconds: float = Field(
        0.0,
        ge=0,
        description="Time that a gateway which is asked to stop is unready and answers all the same, so that balancers "
        "notice before it is gone.",
    )
    drain_seconds: float = Field(10.0, ge=0, description="Time that calls under way get to end when the gateway stops.")
    connection_age_seconds: float = Field(
        300.0,
        ge=0,
        description="Clients are asked to connect anew after that, and so reach gateways that have been added. "
        "0 lets connections grow as old as they like.",
    )
    http_keep_alive_seconds: PositiveInt = Field(
        75,
        description="How long a connection of HTTP may be silent. More than the balancer before it allows: one that is "
        "closed from here while a request is on its way is an error there.",
    )
    otlp_endpoint: str = Field(
        "",
        pattern=r"^(https?://[^/\s]+(/\S*)?)?$",
        description="Base URL of an OTLP/HTTP receiver that gets traces (docs/tracing.md). Without it none are kept.",
    )
    trace_ratio: float = Field(
        1.0, ge=0, le=1, description="Share of the traces beginning here that is kept; a client decides about its own."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR."
    )

    @model_validator(mode="after")
    def _is_guarded(self) -> Self:
        if not (self.api_keys_file or self.insecure or is_loopback(self.host)):
            raise ValueError(
                f"host {self.host} is not the loopback, and whoever reaches it could do everything: "
                "give clients keys (--api-keys-file, MASKGATE_API_KEYS_FILE), "
                "or say --insecure (MASKGATE_INSECURE=true) if that is meant"
            )
        return self

    @model_validator(mode="after")
    def _encoders_may_start(self) -> Self:
        if self.encoder_start_seconds and not self.encoder_url:
            raise ValueError("encoder_start_seconds needs encoder_url: only encoders of their own may be away")
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ValueError("tls_cert_file and tls_key_file belong together: one of them is missing")
        if self.tls_client_ca_file and not self.tls_cert_file:
            raise ValueError("tls_client_ca_file needs tls_cert_file and tls_key_file")
        return self
