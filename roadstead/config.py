"""The settings: one frozen struct, read from a TOML file and then from `ROADSTEAD_*` variables.

A setting `limits.manifest_bytes` stands in the file as `manifest_bytes` under `[limits]` and in the
environment as `ROADSTEAD_LIMITS_MANIFEST_BYTES`. Lists are written with commas in the environment.
Every description here is printed by `docs/reference/settings.md`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from roadstead.errors import StartRefused

MIB = 1 << 20


def _says(text: str, **limits: Any) -> Any:
    return Meta(description=text, **limits)


class Storage(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the bytes of blobs are kept."""

    kind: Annotated[
        Literal["local", "s3", "memory"],
        _says("`local`: a folder; `s3`: an S3-compatible bucket; `memory`: gone with the process, for tests"),
    ] = "local"
    folder: Annotated[str, _says("Folder of a local store; empty means `storage` in the data folder")] = ""
    bucket: Annotated[str, _says("Bucket of an S3 store; it must exist")] = ""
    prefix: Annotated[str, _says("Key prefix inside the bucket")] = ""
    endpoint: Annotated[str, _says("URL of the S3 service; empty means the cloud's own for the region")] = ""
    bucket_region: Annotated[str, _says("Region name the S3 service expects")] = "us-east-1"
    access_key: Annotated[str, _says("S3 access key")] = ""
    secret_key: Annotated[str, _says("S3 secret key")] = ""
    delivery: Annotated[
        Literal["stream", "redirect"],
        _says(
            "How blobs of an S3 store reach clients: `stream` through this process or `redirect` to a presigned URL"
        ),
    ] = "stream"
    redirect_seconds: Annotated[int, _says("Validity of a presigned URL, in seconds", ge=30)] = 1200


class Push(Struct, frozen=True, forbid_unknown_fields=True):
    """What a push may leave out."""

    sparse_images: Annotated[
        bool,
        _says(
            "Accept an image whose layers were never pushed here, with a warning, as the specification allows; its config must be there. Off: such a push is refused with MANIFEST_BLOB_UNKNOWN"
        ),
    ] = True


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one request or one client may take."""

    manifest_bytes: Annotated[
        int, _says("Largest manifest accepted, in bytes; the specification asks for at least 4 MiB", ge=1024)
    ] = 4 * MIB
    manifest_entries: Annotated[int, _says("Most layers or members that one manifest may name", ge=1)] = 20_000
    blob_bytes: Annotated[int, _says("Largest blob accepted, in bytes", ge=1024)] = 100 << 30
    uploads: Annotated[int, _says("Most upload sessions open at once in one instance", ge=1)] = 10_000
    page: Annotated[int, _says("Most entries that one page of a list holds", ge=1)] = 1000
    header_bytes: Annotated[int, _says("Largest request head accepted, in bytes", ge=1024)] = 64 << 10
    request_body_bytes: Annotated[int, _says("Largest body of a management or token request, in bytes", ge=1024)] = (
        MIB
    )
    idle_seconds: Annotated[int, _says("Seconds without a byte after which a transfer is given up", ge=1)] = 60
    keep_alive_seconds: Annotated[int, _says("Seconds that an idle connection is kept open", ge=1)] = 75
    transfer_threads: Annotated[
        int,
        _says(
            "Bodies and files that one process moves at once outside its event loop; more take the ordinary path",
            ge=1,
        ),
    ] = 64


class Quotas(Struct, frozen=True, forbid_unknown_fields=True):
    """How much an instance of each specification may hold."""

    basic_namespaces: Annotated[int, _says("Most namespaces of a basic instance", ge=1)] = 50
    standard_namespaces: Annotated[int, _says("Most namespaces of a standard instance", ge=1)] = 100
    premium_namespaces: Annotated[int, _says("Most namespaces of a premium instance", ge=1)] = 500
    basic_repositories: Annotated[int, _says("Most repositories of a basic instance", ge=1)] = 1000
    standard_repositories: Annotated[int, _says("Most repositories of a standard instance", ge=1)] = 3000
    premium_repositories: Annotated[int, _says("Most repositories of a premium instance", ge=1)] = 5000


class Collection(Struct, frozen=True, forbid_unknown_fields=True):
    """When unreferenced bytes go."""

    grace_seconds: Annotated[int, _says("Seconds that a blob which no manifest names stays available", ge=1)] = (
        24 * 3600
    )
    margin_seconds: Annotated[
        int, _says("Seconds between a blob's disappearance from view and the removal of its bytes", ge=0)
    ] = 3600
    upload_seconds: Annotated[
        int, _says("Seconds after its last chunk that an upload session can be resumed", ge=1)
    ] = 24 * 3600
    interval_seconds: Annotated[
        int, _says("Seconds between two rounds of collection, up to a day", ge=1, le=86400)
    ] = 60
    batch: Annotated[int, _says("Rows that one step of collection takes", ge=1)] = 200


class Tokens(Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens of the docker token service and temporary credentials."""

    access_seconds: Annotated[
        int, _says("Validity of a token of `/service/token`, in seconds; docker expects at least 60", ge=60)
    ] = 300
    temporary_seconds: Annotated[int, _says("Validity of a temporary credential, in seconds", ge=60)] = 3600
    refresh_seconds: Annotated[int, _says("Validity of a refresh token, in seconds", ge=60)] = 30 * 24 * 3600
    rotate_seconds: Annotated[
        int,
        _says(
            "Age at which the signing key is replaced; the old one stays valid for checking until its last token ends",
            ge=3600,
        ),
    ] = 30 * 24 * 3600


class Login(Struct, frozen=True, forbid_unknown_fields=True):
    """How failed logins are slowed."""

    free_failures: Annotated[
        int, _says("Failed logins of one account or address within the window before it has to wait", ge=1)
    ] = 10
    window_seconds: Annotated[int, _says("Seconds after which failed logins are forgotten", ge=1)] = 900
    longest_wait_seconds: Annotated[
        int, _says("Longest wait, in seconds; it doubles with each further failure up to this", ge=1)
    ] = 300


class Sessions(Struct, frozen=True, forbid_unknown_fields=True):
    """How long people stay logged in."""

    idle_seconds: Annotated[
        int, _says("Seconds without a request after which a login of the console ends", ge=60)
    ] = 2 * 3600
    life_seconds: Annotated[
        int, _says("Seconds after which a login of the console ends, however much it is used", ge=60)
    ] = 24 * 3600


class Network(Struct, frozen=True, forbid_unknown_fields=True):
    """How clients reach this server."""

    scheme: Annotated[
        Literal["", "http", "https"],
        _says(
            "Scheme that clients use to reach this server when a proxy ends TLS before it; empty means the connection's own"
        ),
    ] = ""
    proxies: Annotated[
        tuple[str, ...],
        _says(
            "Addresses or CIDRs of reverse proxies in front of this server: from them, and only from them, the header of `network.forwarding` is believed, and must come"
        ),
    ] = ()
    forwarding: Annotated[
        Literal["x-forwarded-for", "forwarded"],
        _says(
            "By which header those proxies tell the client: `x-forwarded-for`, with `X-Forwarded-Proto` and `X-Forwarded-Host` beside it, or `forwarded` (RFC 7239)"
        ),
    ] = "x-forwarded-for"
    proxy_protocol: Annotated[
        tuple[str, ...],
        _says(
            "Addresses or CIDRs of proxies whose connections begin with the PROXY protocol, version 1 or 2; each of them must"
        ),
    ] = ()
    loopback: Annotated[bool, _says("Admit clients on the host's own loopback addresses to every instance")] = True


class Tls(Struct, frozen=True, forbid_unknown_fields=True):
    """HTTPS. It is on once `tls.certificate`, `tls.self_signed` or `tls.listen` is set; changed files hold at once."""

    listen: Annotated[
        str, _says("HOST:PORT to serve HTTPS on, beside HTTP on `listen`; empty means that `listen` speaks HTTPS")
    ] = ""
    certificate: Annotated[
        str, _says("File of the certificate chain (PEM) for every name that no other certificate is for")
    ] = ""
    key: Annotated[str, _says("File of its private key (PEM); empty means the file of the certificate")] = ""
    folder: Annotated[
        str,
        _says(
            "Folder of further certificates, `NAME.crt` beside `NAME.key`, each used for the hosts it names; empty means `tls` in the data folder"
        ),
    ] = ""
    self_signed: Annotated[
        bool,
        _says(
            "Make certificates by an authority of this deployment's own, for names that no other certificate is for; `roadstead tls self-signed` tells how clients come to trust it"
        ),
    ] = False
    minimum: Annotated[Literal["1.2", "1.3"], _says("Oldest version of TLS spoken")] = "1.2"
    client_authorities: Annotated[
        str, _says("File of the authorities (PEM) of which clients must show a certificate; empty asks for none")
    ] = ""
    client_certificates: Annotated[
        Literal["links", "all"],
        _says("Where clients must show one: at private links only, or wherever they connect by HTTPS"),
    ] = "links"

    @property
    def on(self) -> bool:
        """Whether HTTPS is served."""
        return bool(self.certificate or self.self_signed or self.listen)


class Audit(Struct, frozen=True, forbid_unknown_fields=True):
    """The record of changes and refused attempts."""

    days: Annotated[int, _says("Days that entries of the audit are kept; 0 keeps them for ever", ge=0)] = 90


class Events(Struct, frozen=True, forbid_unknown_fields=True):
    """The log of what happened, from which triggers and event streams live."""

    days: Annotated[int, _says("Days that events are kept; 0 keeps them for ever", ge=0)] = 90
    streams: Annotated[int, _says("Most event streams that one process has open at once", ge=1)] = 100


class Workers(Struct, frozen=True, forbid_unknown_fields=True):
    """Who works off jobs."""

    in_server: Annotated[
        bool, _says("Whether serving processes do; off: `roadstead worker` must run, on as many hosts as you like")
    ] = True


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    """What monitoring may read at `/metrics`."""

    allow: Annotated[
        tuple[str, ...], _says("Addresses or CIDRs of clients that may read it, beside those on this host")
    ] = ()


class Triggers(Struct, frozen=True, forbid_unknown_fields=True):
    """How receivers of triggers are called."""

    attempt_seconds: Annotated[int, _says("Seconds after which a receiver has not answered", ge=1, le=120)] = 10
    concurrency: Annotated[
        int, _says("Requests to one receiver at once, over all processes; those of one repository never are", ge=1)
    ] = 4
    retry_seconds: Annotated[
        int, _says("Seconds until a failed delivery is tried again; doubled each time", ge=1)
    ] = 2
    longest_pause_seconds: Annotated[int, _says("Longest pause between two attempts, in seconds", ge=1)] = 900
    give_up_seconds: Annotated[
        int, _says("Seconds after which a delivery that fails is tried no more and its trigger marked", ge=1)
    ] = 24 * 3600
    keep_days: Annotated[int, _says("Days that deliveries stay in the log", ge=1)] = 30
    most: Annotated[int, _says("Most triggers of one instance", ge=1)] = 500


class Client(Struct, frozen=True, forbid_unknown_fields=True):
    """Where commands go, when not to the registry on this machine."""

    server: Annotated[str, _says("Address of the server, like the option `--server`")] = ""
    key: Annotated[str, _says("SecretId of the API key for it, like the option `--key`")] = ""
    secret: Annotated[str, _says("SecretKey of that API key")] = ""


class Outbound(Struct, frozen=True, forbid_unknown_fields=True):
    """Calls that this server makes to other hosts."""

    allow: Annotated[
        tuple[str, ...],
        _says(
            "Private, loopback and other special addresses or CIDRs that may be called, for example `10.0.0.0/8`; public addresses always may"
        ),
    ] = ()
    seconds: Annotated[int, _says("Seconds after which a call is given up", ge=1)] = 15
    answer_bytes: Annotated[int, _says("Largest answer read, in bytes", ge=1024)] = MIB
    ca_file: Annotated[
        str, _says("File of further certificate authorities (PEM) to trust, beside those of the system")
    ] = ""


class Oidc(Struct, frozen=True, forbid_unknown_fields=True):
    """Single sign-on by OpenID Connect; off while `oidc.issuer` is empty."""

    issuer: Annotated[str, _says("URL of the identity provider, exactly as its discovery document names itself")] = ""
    client_id: Annotated[str, _says("Client id that this deployment is registered with")] = ""
    client_secret: Annotated[str, _says("Client secret; empty for a public client, which PKCE alone protects")] = ""
    client_secret_file: Annotated[
        str, _says("File that holds the client secret, instead of `oidc.client_secret`")
    ] = ""
    redirect_uri: Annotated[
        str,
        _says(
            "Callback URL that is registered with the provider, ending in `/api/v1/session/oidc/callback`; empty means the host by which the browser came"
        ),
    ] = ""
    scopes: Annotated[tuple[str, ...], _says("Scopes asked for")] = ("openid", "profile", "email")
    username_claim: Annotated[str, _says("Claim that names a new account")] = "preferred_username"
    groups_claim: Annotated[str, _says("Claim that lists the groups of whoever logs in")] = "groups"
    group_map: Annotated[
        tuple[str, ...],
        _says(
            "`CLAIMED=GROUP` pairs: which groups here the provider's groups stand for; empty means groups of the same names"
        ),
    ] = ()
    create_groups: Annotated[
        bool,
        _says("Make groups that a claim names and that do not exist; they allow nothing until a policy is attached"),
    ] = True
    allowed_groups: Annotated[
        tuple[str, ...], _says("The provider's groups of which one is needed to log in; empty means everybody")
    ] = ()
    create_accounts: Annotated[bool, _says("Make a sub-account at the first login of somebody who has none")] = True
    adopt_accounts: Annotated[
        bool,
        _says(
            "Give the sub-account of the claimed name, if there is one, to whoever logs in first by that name; only where the provider's names cannot be chosen by users"
        ),
    ] = False


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of one process."""

    data: Annotated[str, _says("Data folder: database, local blobs, keys")] = "data"
    listen: Annotated[str, _says("HOST:PORT to serve on")] = "0.0.0.0:5000"
    processes: Annotated[int, _says("Serving processes; 0 means one per core, at most 4", ge=0)] = 0
    database: Annotated[
        str, _says("`postgresql://USER:PASSWORD@HOST:PORT/NAME`, or empty for SQLite in the data folder")
    ] = ""
    base_domain: Annotated[
        str, _says("Instances answer at `NAME.BASE_DOMAIN`; every other host means the default instance")
    ] = "localhost"
    default_instance: Annotated[str, _says("Name of the instance that a fresh start creates")] = "default"
    region: Annotated[str, _says("Name of this deployment's region")] = "local"
    secret_key: Annotated[
        str,
        _says(
            "Key that encrypts stored secrets, 32 bytes in URL-safe base64; empty means the file `secret.key` in the data folder. Several nodes must share it"
        ),
    ] = ""
    create_namespace_on_push: Annotated[
        bool,
        _says(
            "Whether the default instance of a fresh start creates a missing namespace when its owner pushes to it"
        ),
    ] = False
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _says("Least important log lines written")] = (
        "info"
    )
    log_format: Annotated[Literal["text", "json"], _says("`text` for people, `json` for collectors")] = "text"
    log_requests: Annotated[bool, _says("Write one line per request")] = False
    storage: Storage = msgspec.field(default_factory=Storage)
    push: Push = msgspec.field(default_factory=Push)
    limits: Limits = msgspec.field(default_factory=Limits)
    quotas: Quotas = msgspec.field(default_factory=Quotas)
    collection: Collection = msgspec.field(default_factory=Collection)
    tokens: Tokens = msgspec.field(default_factory=Tokens)
    login: Login = msgspec.field(default_factory=Login)
    sessions: Sessions = msgspec.field(default_factory=Sessions)
    network: Network = msgspec.field(default_factory=Network)
    tls: Tls = msgspec.field(default_factory=Tls)
    audit: Audit = msgspec.field(default_factory=Audit)
    events: Events = msgspec.field(default_factory=Events)
    workers: Workers = msgspec.field(default_factory=Workers)
    metrics: Metrics = msgspec.field(default_factory=Metrics)
    triggers: Triggers = msgspec.field(default_factory=Triggers)
    client: Client = msgspec.field(default_factory=Client)
    outbound: Outbound = msgspec.field(default_factory=Outbound)
    oidc: Oidc = msgspec.field(default_factory=Oidc)

    @property
    def address(self) -> tuple[str, int]:
        """The host and port of `listen`; an empty host means every address. Raises ValueError for no port."""
        return host_and_port(self.listen)

    @property
    def folder(self) -> Path:
        """The data folder as an absolute path."""
        return Path(self.data).absolute()


def host_and_port(text: str) -> tuple[str, int]:
    """The parts of HOST:PORT; an empty host means every address. Raises ValueError for no port."""
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"{text!r} has no port from 0 to 65535")
    return host.strip("[]"), int(port)


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings from file, environment and command-line options, the later ones winning.

    Raises StartRefused, naming the setting, when a value or a name is not understood.
    """
    tree: dict[str, Any] = {}
    if file is not None:
        import tomllib

        try:
            tree = tomllib.loads(file.read_text())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise StartRefused(f"cannot read the configuration file {file}: {error}") from error
    _apply_environment(tree, os.environ if environment is None else environment)
    tree.update({name: value for name, value in (options or {}).items() if value is not None})
    try:
        settings = msgspec.convert(tree, Settings)
        named = "listen", settings.listen
        host_and_port(settings.listen)
        named = "tls.listen", settings.tls.listen
        host_and_port(settings.tls.listen or ":0")
    except msgspec.ValidationError as error:
        raise StartRefused(f"configuration: {error}") from error
    except ValueError as error:
        raise StartRefused(f"configuration: {named[0]} must be HOST:PORT, not {named[1]!r}") from error
    return settings


def variables() -> dict[str, tuple[str | None, str, Any]]:
    """Every `ROADSTEAD_*` variable with the section and name of its setting and that setting's type."""
    found: dict[str, tuple[str | None, str, Any]] = {}
    for name, kind in get_type_hints(Settings).items():
        if isinstance(kind, type) and issubclass(kind, Struct):
            for option, inner in get_type_hints(kind).items():
                found[f"ROADSTEAD_{name}_{option}".upper()] = (name, option, inner)
        else:
            found[f"ROADSTEAD_{name}".upper()] = (None, name, kind)
    return found


def _apply_environment(tree: dict[str, Any], environment: Mapping[str, str]) -> None:
    known = variables()
    for variable, text in environment.items():
        if not variable.startswith("ROADSTEAD_"):
            continue
        if variable not in known:
            raise StartRefused(f"{variable} is not a setting; see docs/reference/settings.md")
        section, name, kind = known[variable]
        target = tree if section is None else tree.setdefault(section, {})
        # What is no table here is refused with the other types, when all is read.
        if isinstance(target, dict):
            target[name] = _parse(variable, text, kind)


def _parse(variable: str, text: str, kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    try:
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        if kind is int:
            return int(text)
    except (KeyError, ValueError) as error:
        raise StartRefused(
            f"{variable}={text!r} is not {'a yes or no' if kind is bool else 'a whole number'}"
        ) from error
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
