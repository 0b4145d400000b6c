"""What stands at /: browsers are led to the console, and whoever comes with curl is told what this is."""

from __future__ import annotations

from roadstead.http.exchange import Exchange

_TEXT = """Roadstead, a container registry. Instance: {name} ({registry_id})

  Log in   docker login {host} --username ACCOUNT     (the password is an access credential)
  Push     docker push {host}/NAMESPACE/REPOSITORY:TAG
  API      {base}/v2/
  Console  {base}/console/
"""


async def serve(exchange: Exchange) -> None:
    """The visitor has been told what to do, or a browser where to go."""
    if "text/html" in exchange.header(b"accept"):
        await exchange.answer(302, [(b"location", b"/console/"), (b"vary", b"accept")])
        return
    row = exchange.instance.row
    text = _TEXT.format(
        name=row.name,
        registry_id=row.registry_id,
        host=exchange.header(b"host") or "HOST:PORT",
        base=exchange.base_url,
    )
    await exchange.answer(200, [(b"content-type", b"text/plain; charset=utf-8")], text.encode())
