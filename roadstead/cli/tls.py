"""`roadstead tls`: the certificates of HTTPS on this machine, and how clients come to trust them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from roadstead.app import utc_now
from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import show, show_rows, time_text
from roadstead.cli.session import Options, work
from roadstead.config import Settings, host_and_port, load
from roadstead.errors import InvalidInput
from roadstead.services import certificates
from roadstead.services.authority import Authority, folder_of

Chain = Annotated[
    Path, typer.Argument(help="File of the certificate with its chain, PEM.", exists=True, dir_okay=False)
]
Key = Annotated[Path, typer.Argument(help="File of its private key, PEM.", exists=True, dir_okay=False)]
CertificateId = Annotated[str, typer.Argument(help="Id of the certificate.", metavar="ID")]

commands = typer.Typer(help="The certificates of HTTPS.", no_args_is_help=True)

_TRUST = """The authority of this deployment is {file}; its key lies beside it and stays there.
{switch}
Copy the file to the hosts of the clients and have them trust it there, for {host}:

  curl                      curl --cacert {name} https://{host}/v2/
  docker                    install -D {name} /etc/docker/certs.d/{host}/ca.crt
  podman, skopeo, buildah   install -D {name} /etc/containers/certs.d/{host}/ca.crt
  containerd                install -D {name} /etc/containerd/certs.d/{host}/ca.crt
                            (ctr: --hosts-dir /etc/containerd/certs.d; Kubernetes: config_path in config.toml)
                            and in /etc/containerd/certs.d/{host}/hosts.toml:
                              server = "https://{host}"
                              [host."https://{host}"]
                                ca = "/etc/containerd/certs.d/{host}/ca.crt"
  helm                      helm push CHART oci://{host}/NAMESPACE --ca-file {name}
  everything (Debian)       install -D {name} /usr/local/share/ca-certificates/roadstead.crt
                            update-ca-certificates"""
_OFF = """HTTPS is off: set self_signed = true under [tls] (ROADSTEAD_TLS_SELF_SIGNED=yes) and start the server again.
"""


@commands.command("self-signed", epilog="Example: roadstead tls self-signed --host registry.example.com")
def self_signed(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="HOST:PORT by which clients reach the registry.")] = "",
) -> None:
    """Make the authority of this deployment if there is none, and say how clients come to trust it."""
    settings = _settings(context)
    folder = folder_of(settings.folder)
    file = folder / "authority.pem"
    made = not file.exists()
    Authority.open(folder, utc_now())
    place = host or _place(settings)
    answer = {"File": str(file), "Made": made, "Host": place, "On": settings.tls.self_signed}
    switch = "" if settings.tls.self_signed else _OFF
    show(context, answer, _TRUST.format(file=file, name=file.name, host=place, switch=switch))


@commands.command(epilog="Example: roadstead tls add images.crt images.key --alias images")
def add(
    context: typer.Context,
    chain: Chain,
    key: Key,
    alias: Annotated[str, typer.Option(help="What people call it.")] = "",
) -> None:
    """Keep a certificate in the database; every server of it shows it for the hosts that it names."""
    request = {"certificate_public_key": chain.read_text(), "certificate_private_key": key.read_text()}
    answer = work(context, lambda s: s.call(certificates.upload_certificate, alias=alias, **request))
    hosts = ", ".join(answer.subject_alt_names)
    show(context, answer, f"The certificate {answer.certificate_id} is shown for {hosts}.")


@commands.command(epilog="Example: roadstead tls replace k3f9w2m8 images.crt images.key")
def replace(context: typer.Context, certificate: CertificateId, chain: Chain, key: Key) -> None:
    """Replace a kept certificate, for example by a renewed one."""
    request = {"certificate_public_key": chain.read_text(), "certificate_private_key": key.read_text()}
    op = certificates.modify_certificate
    answer = work(context, lambda s: s.call(op, certificate_id=certificate, **request))
    show(context, answer, f"The certificate {certificate} now ends at {time_text(answer.cert_end_time)}.")


@commands.command("list", epilog="Example: roadstead tls list")
def list_(context: typer.Context) -> None:
    """List the certificates that are kept in the database."""
    rows = work(context, lambda s: s.every(certificates.describe_certificates, "certificates"))
    columns = [
        ("ID", "certificate_id"),
        ("HOSTS", "subject_alt_names"),
        ("ENDS", "cert_end_time"),
        ("ISSUER", "issuer"),
        ("ALIAS", "alias"),
    ]
    show_rows(context, rows, columns, empty="There are none; files of the folder `tls` are used beside them.")


@commands.command(epilog="Example: roadstead tls delete k3f9w2m8 --yes")
def delete(context: typer.Context, certificate: CertificateId, yes: Yes = False) -> None:
    """Forget a kept certificate."""
    sure(yes, f"Forget the certificate {certificate} with its key?")
    answer = work(context, lambda s: s.call(certificates.delete_certificate, certificate_id=certificate))
    show(context, answer, f"The certificate {certificate} is gone.")


def _settings(context: typer.Context) -> Settings:
    options: Options = context.obj
    if options.server is not None:
        raise InvalidInput("this command works on the data folder itself: run it where the server runs")
    return load(options.config, options={"data": options.data})


def _place(settings: Settings) -> str:
    _, port = host_and_port(settings.tls.listen or settings.listen)
    return f"{settings.default_instance}.{settings.base_domain}" + ("" if port == 443 else f":{port}")
