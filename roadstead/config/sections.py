"""The sections of the settings, with what each setting means: `docs/reference/settings.md` prints these texts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

MIB = 1 << 20


def says(text: str, **limits: Any) -> Any:
    """What a setting means, and what it may be."""
    return Meta(description=text, **limits)


class Storage(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the bytes of blobs are kept."""

    kind: Annotated[
        Literal["local", "s3", "memory"],
        says("`local`: a folder; `s3`: an S3-compatible bucket; `memory`: gone with the process, for tests"),
    ] = "local"
    folder: Annotated[str, says("Folder of a local store; empty means `storage` in the data folder")] = ""
    bucket: Annotated[str, says("Bucket of an S3 store; it must exist")] = ""
    prefix: Annotated[str, says("Key prefix inside the bucket")] = ""
    endpoint: Annotated[str, says("URL of the S3 service; empty means the cloud's own for the region")] = ""
    bucket_region: Annotated[str, says("Region name the S3 service expects")] = "us-east-1"
    access_key: Annotated[str, says("S3 access key")] = ""
    secret_key: Annotated[str, says("S3 secret key")] = ""
    delivery: Annotated[
        Literal["stream", "redirect"],
        says(
            "How blobs of an S3 store reach clients: `stream` through this process or `redirect` to a presigned URL"
        ),
    ] = "stream"
    redirect_seconds: Annotated[int, says("Validity of a presigned URL, in seconds", ge=30)] = 1200


class Push(Struct, frozen=True, forbid_unknown_fields=True):
    """What a push may leave out."""

    sparse_images: Annotated[
        bool,
        says(
            "Accept an image whose layers were never pushed here, with a warning, as the specification allows; its config must be there. Off: such a push is refused with MANIFEST_BLOB_UNKNOWN"
        ),
    ] = True


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one request or one client may take."""

    manifest_bytes: Annotated[
        int, says("Largest manifest accepted, in bytes; the specification asks for at least 4 MiB", ge=1024)
    ] = 4 * MIB
    manifest_entries: Annotated[int, says("Most layers or members that one manifest may name", ge=1)] = 20_000
    blob_bytes: Annotated[int, says("Largest blob accepted, in bytes", ge=1024)] = 100 << 30
    uploads: Annotated[int, says("Most upload sessions open at once in one instance", ge=1)] = 10_000
    page: Annotated[int, says("Most entries that one page of a list holds", ge=1)] = 1000
    header_bytes: Annotated[int, says("Largest request head accepted, in bytes", ge=1024)] = 64 << 10
    request_body_bytes: Annotated[int, says("Largest body of a management or token request, in bytes", ge=1024)] = MIB
    idle_seconds: Annotated[int, says("Seconds without a byte after which a transfer is given up", ge=1)] = 60
    keep_alive_seconds: Annotated[int, says("Seconds that an idle connection is kept open", ge=1)] = 75
    transfer_threads: Annotated[
        int,
        says(
            "Bodies and files that one process moves at once outside its event loop; more take the ordinary path",
            ge=1,
        ),
    ] = 64


class Rates(Struct, frozen=True, forbid_unknown_fields=True):
    """How much an address, a credential and an instance may use in a second, unless the instance has rates of its own.

    0 sets no limit. Each is counted at each instance, over all serving processes of one host.
    """

    address_requests: Annotated[
        int, says("Requests a second of one client address; of IPv6, a network of 64 bits", ge=0)
    ] = 0
    address_bytes: Annotated[
        int, says("Bytes a second that the transfers of one client address move together", ge=0)
    ] = 0
    credential_requests: Annotated[int, says("Requests a second of one credential", ge=0)] = 0
    credential_bytes: Annotated[
        int, says("Bytes a second that the transfers of one credential move together", ge=0)
    ] = 0
    instance_requests: Annotated[int, says("Requests a second of all clients of one instance", ge=0)] = 0
    instance_bytes: Annotated[int, says("Bytes a second that all transfers of one instance move together", ge=0)] = 0
    burst_seconds: Annotated[
        int, says("A client that was quiet may have the requests of so many seconds at once", ge=1)
    ] = 10
    transfer_burst_seconds: Annotated[
        int, says("Transfers after a quiet time move the bytes of so many seconds before they are slowed", ge=0)
    ] = 1
    longest_wait_seconds: Annotated[
        int, says("Once transfers are so many seconds behind their rate, new ones are refused with 429", ge=1)
    ] = 10


class Quotas(Struct, frozen=True, forbid_unknown_fields=True):
    """How much an instance of each specification may hold."""

    basic_namespaces: Annotated[int, says("Most namespaces of a basic instance", ge=1)] = 50
    standard_namespaces: Annotated[int, says("Most namespaces of a standard instance", ge=1)] = 100
    premium_namespaces: Annotated[int, says("Most namespaces of a premium instance", ge=1)] = 500
    basic_repositories: Annotated[int, says("Most repositories of a basic instance", ge=1)] = 1000
    standard_repositories: Annotated[int, says("Most repositories of a standard instance", ge=1)] = 3000
    premium_repositories: Annotated[int, says("Most repositories of a premium instance", ge=1)] = 5000
    basic_links: Annotated[int, says("Most private links of a basic instance", ge=1)] = 3
    standard_links: Annotated[int, says("Most private links of a standard instance", ge=1)] = 5
    premium_links: Annotated[int, says("Most private links of a premium instance", ge=1)] = 10


class Collection(Struct, frozen=True, forbid_unknown_fields=True):
    """When unreferenced bytes go."""

    grace_seconds: Annotated[int, says("Seconds that a blob which no manifest names stays available", ge=1)] = (
        24 * 3600
    )
    margin_seconds: Annotated[
        int, says("Seconds between a blob's disappearance from view and the removal of its bytes", ge=0)
    ] = 3600
    upload_seconds: Annotated[
        int, says("Seconds after its last chunk that an upload session can be resumed", ge=1)
    ] = 24 * 3600
    interval_seconds: Annotated[
        int, says("Seconds between two rounds of collection, up to a day", ge=1, le=86400)
    ] = 60
    batch: Annotated[int, says("Rows that one step of collection takes", ge=1)] = 200


class Tokens(Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens of the docker token service and temporary credentials."""

    access_seconds: Annotated[
        int, says("Validity of a token of `/service/token`, in seconds; docker expects at least 60", ge=60)
    ] = 300
    temporary_seconds: Annotated[int, says("Validity of a temporary credential, in seconds", ge=60)] = 3600
    refresh_seconds: Annotated[int, says("Validity of a refresh token, in seconds", ge=60)] = 30 * 24 * 3600
    rotate_seconds: Annotated[
        int,
        says(
            "Age at which the signing key is replaced; the old one stays valid for checking until its last token ends",
            ge=3600,
        ),
    ] = 30 * 24 * 3600


class Login(Struct, frozen=True, forbid_unknown_fields=True):
    """How failed logins are slowed."""

    free_failures: Annotated[
        int, says("Failed logins of one account or address within the window before it has to wait", ge=1)
    ] = 10
    window_seconds: Annotated[int, says("Seconds after which failed logins are forgotten", ge=1)] = 900
    longest_wait_seconds: Annotated[
        int, says("Longest wait, in seconds; it doubles with each further failure up to this", ge=1)
    ] = 300


class Sessions(Struct, frozen=True, forbid_unknown_fields=True):
    """How long people stay logged in."""

    idle_seconds: Annotated[int, says("Seconds without a request after which a login of the console ends", ge=60)] = (
        2 * 3600
    )
    life_seconds: Annotated[
        int, says("Seconds after which a login of the console ends, however much it is used", ge=60)
    ] = 24 * 3600


class Network(Struct, frozen=True, forbid_unknown_fields=True):
    """How clients reach this server."""

    scheme: Annotated[
        Literal["", "http", "https"],
        says(
            "Scheme that clients use to reach this server when a proxy ends TLS before it; empty means the connection's own"
        ),
    ] = ""
    proxies: Annotated[
        tuple[str, ...],
        says(
            "Addresses or CIDRs of reverse proxies in front of this server: from them, and only from them, the header of `network.forwarding` is believed, and must come"
        ),
    ] = ()
    forwarding: Annotated[
        Literal["x-forwarded-for", "forwarded"],
        says(
            "By which header those proxies tell the client: `x-forwarded-for`, with `X-Forwarded-Proto` and `X-Forwarded-Host` beside it, or `forwarded` (RFC 7239)"
        ),
    ] = "x-forwarded-for"
    proxy_protocol: Annotated[
        tuple[str, ...],
        says(
            "Addresses or CIDRs of proxies whose connections begin with the PROXY protocol, version 1 or 2; each of them must"
        ),
    ] = ()
    loopback: Annotated[
        bool,
        says("Admit clients on the host's own loopback addresses, to every instance whose loopback entry is open"),
    ] = True
    vpcs: Annotated[
        tuple[str, ...],
        says(
            "Networks of whose clients private links let in, as `VPC-ID CIDR[+CIDR...] [NAME]`; more can be declared by `roadstead vpc create`"
        ),
    ] = ()
    subnets: Annotated[
        tuple[str, ...],
        says(
            "Their subnets, of which private links take addresses, as `SUBNET-ID VPC-ID CIDR INTERFACE`; the interface is this host's in that subnet"
        ),
    ] = ()
    links: Annotated[
        bool, says("Put the addresses of private links on this host's interfaces, where it has them, and serve there")
    ] = True


class Dns(Struct, frozen=True, forbid_unknown_fields=True):
    """The small name server that tells clients of a network the address of an instance's private link."""

    addresses: Annotated[
        tuple[str, ...], says("HOST:PORT to answer on, by UDP and TCP; none switches it off. Usually port 53")
    ] = ()
    seconds: Annotated[int, says("Seconds for which an answer may be remembered", ge=1)] = 60


class Tls(Struct, frozen=True, forbid_unknown_fields=True):
    """HTTPS. It is on once `tls.certificate`, `tls.self_signed` or `tls.listen` is set; changed files hold at once."""

    listen: Annotated[
        str, says("HOST:PORT to serve HTTPS on, beside HTTP on `listen`; empty means that `listen` speaks HTTPS")
    ] = ""
    certificate: Annotated[
        str, says("File of the certificate chain (PEM) for every name that no other certificate is for")
    ] = ""
    key: Annotated[str, says("File of its private key (PEM); empty means the file of the certificate")] = ""
    folder: Annotated[
        str,
        says(
            "Folder of further certificates, `NAME.crt` beside `NAME.key`, each used for the hosts it names; empty means `tls` in the data folder"
        ),
    ] = ""
    self_signed: Annotated[
        bool,
        says(
            "Make certificates by an authority of this deployment's own, for names that no other certificate is for; `roadstead tls self-signed` tells how clients come to trust it"
        ),
    ] = False
    minimum: Annotated[Literal["1.2", "1.3"], says("Oldest version of TLS spoken")] = "1.2"
    client_authorities: Annotated[
        str, says("File of the authorities (PEM) of which clients must show a certificate; empty asks for none")
    ] = ""
    client_certificates: Annotated[
        Literal["links", "all"],
        says("Where clients must show one: at private links only, or wherever they connect by HTTPS"),
    ] = "links"

    @property
    def on(self) -> bool:
        """Whether HTTPS is served."""
        return bool(self.certificate or self.self_signed or self.listen)


class Audit(Struct, frozen=True, forbid_unknown_fields=True):
    """The record of changes and refused attempts."""

    days: Annotated[int, says("Days that entries of the audit are kept; 0 keeps them for ever", ge=0)] = 90


class Events(Struct, frozen=True, forbid_unknown_fields=True):
    """The log of what happened, from which triggers and event streams live."""

    days: Annotated[int, says("Days that events are kept; 0 keeps them for ever", ge=0)] = 90
    streams: Annotated[int, says("Most event streams that one process has open at once", ge=1)] = 100


class Workers(Struct, frozen=True, forbid_unknown_fields=True):
    """Who works off jobs."""

    in_server: Annotated[
        bool, says("Whether serving processes do; off: `roadstead worker` must run, on as many hosts as you like")
    ] = True


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    """What monitoring may read at `/metrics`."""

    allow: Annotated[
        tuple[str, ...], says("Addresses or CIDRs of clients that may read it, beside those on this host")
    ] = ()


class Triggers(Struct, frozen=True, forbid_unknown_fields=True):
    """How receivers of triggers are called."""

    attempt_seconds: Annotated[int, says("Seconds after which a receiver has not answered", ge=1, le=120)] = 10
    concurrency: Annotated[
        int, says("Requests to one receiver at once, over all processes; those of one repository never are", ge=1)
    ] = 4
    retry_seconds: Annotated[int, says("Seconds until a failed delivery is tried again; doubled each time", ge=1)] = 2
    longest_pause_seconds: Annotated[int, says("Longest pause between two attempts, in seconds", ge=1)] = 900
    give_up_seconds: Annotated[
        int, says("Seconds after which a delivery that fails is tried no more and its trigger marked", ge=1)
    ] = 24 * 3600
    keep_days: Annotated[int, says("Days that deliveries stay in the log", ge=1)] = 30
    most: Annotated[int, says("Most triggers of one instance", ge=1)] = 500


class Charts(Struct, frozen=True, forbid_unknown_fields=True):
    """What a Helm chart may be."""

    archive_bytes: Annotated[int, says("Largest archive of a chart accepted, in bytes", ge=1024)] = 20 * MIB
    content_bytes: Annotated[
        int, says("Most bytes that an archive may unpack to; helm itself takes no more", ge=1024)
    ] = 100 * MIB
    file_bytes: Annotated[
        int, says("Largest file in an archive, in bytes; helm itself takes no larger one", ge=1024)
    ] = 5 * MIB
    entries: Annotated[int, says("Most entries that an archive may have", ge=1)] = 10_000
    overwrite: Annotated[
        bool,
        says(
            "Let an upload to the chart repository replace a version that is there with other content, "
            "without being forced to (`helm cm-push --force`)"
        ),
    ] = False


class Client(Struct, frozen=True, forbid_unknown_fields=True):
    """Where commands go, when not to the registry on this machine."""

    server: Annotated[str, says("Address of the server, like the option `--server`")] = ""
    key: Annotated[str, says("SecretId of the API key for it, like the option `--key`")] = ""
    secret: Annotated[str, says("SecretKey of that API key")] = ""


class Outbound(Struct, frozen=True, forbid_unknown_fields=True):
    """Calls that this server makes to other hosts."""

    allow: Annotated[
        tuple[str, ...],
        says(
            "Private, loopback and other special addresses or CIDRs that may be called, for example `10.0.0.0/8`; public addresses always may"
        ),
    ] = ()
    seconds: Annotated[int, says("Seconds after which a call is given up", ge=1)] = 15
    answer_bytes: Annotated[int, says("Largest answer read, in bytes", ge=1024)] = MIB
    ca_file: Annotated[
        str, says("File of further certificate authorities (PEM) to trust, beside those of the system")
    ] = ""


class Oidc(Struct, frozen=True, forbid_unknown_fields=True):
    """Single sign-on by OpenID Connect; off while `oidc.issuer` is empty."""

    issuer: Annotated[str, says("URL of the identity provider, exactly as its discovery document names itself")] = ""
    client_id: Annotated[str, says("Client id that this deployment is registered with")] = ""
    client_secret: Annotated[str, says("Client secret; empty for a public client, which PKCE alone protects")] = ""
    client_secret_file: Annotated[str, says("File that holds the client secret, instead of `oidc.client_secret`")] = (
        ""
    )
    redirect_uri: Annotated[
        str,
        says(
            "Callback URL that is registered with the provider, ending in `/api/v1/session/oidc/callback`; empty means the host by which the browser came"
        ),
    ] = ""
    scopes: Annotated[tuple[str, ...], says("Scopes asked for")] = ("openid", "profile", "email")
    username_claim: Annotated[str, says("Claim that names a new account")] = "preferred_username"
    groups_claim: Annotated[str, says("Claim that lists the groups of whoever logs in")] = "groups"
    group_map: Annotated[
        tuple[str, ...],
        says(
            "`CLAIMED=GROUP` pairs: which groups here the provider's groups stand for; empty means groups of the same names"
        ),
    ] = ()
    create_groups: Annotated[
        bool,
        says("Make groups that a claim names and that do not exist; they allow nothing until a policy is attached"),
    ] = True
    allowed_groups: Annotated[
        tuple[str, ...], says("The provider's groups of which one is needed to log in; empty means everybody")
    ] = ()
    create_accounts: Annotated[bool, says("Make a sub-account at the first login of somebody who has none")] = True
    adopt_accounts: Annotated[
        bool,
        says(
            "Give the sub-account of the claimed name, if there is one, to whoever logs in first by that name; only where the provider's names cannot be chosen by users"
        ),
    ] = False
