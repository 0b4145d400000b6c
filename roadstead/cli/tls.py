"""`roadstead tls`: the certificates of HTTPS on this machine, and how clients come to trust them."""

from __future__ import annotations

from typing import Annotated

import typer

from roadstead.app import utc_now
from roadstead.cli.output import show
from roadstead.cli.session import Options
from roadstead.config import Settings, host_and_port, load
from roadstead.errors import InvalidInput
from roadstead.services.authority import Authority, folder_of

commands = typer.Typer(help="The certificates of HTTPS.", no_args_is_help=True)

_TRUST = """The authority of this deployment is {file}; its key lies beside it and stays there.
{switch}
Copy the file to the hosts of the clients and have them trust it there, for {host}:

  curl                      curl --cacert {name} https://{host}/v2/
  docker                    install -D {name} /etc/docker/certs.d/{host}/ca.crt
  podman, skopeo, buildah   install -D {name} /etc/containers/certs.d/{host}/ca.crt
  containerd                install -D {name} /etc/containerd/certs.d/{host}/ca.crt
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


def _settings(context: typer.Context) -> Settings:
    options: Options = context.obj
    if options.server is not None:
        raise InvalidInput("this command works on the data folder itself: run it where the server runs")
    return load(options.config, options={"data": options.data})


def _place(settings: Settings) -> str:
    _, port = host_and_port(settings.tls.listen or settings.listen)
    return f"{settings.default_instance}.{settings.base_domain}" + ("" if port == 443 else f":{port}")
