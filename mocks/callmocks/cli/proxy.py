from __future__ import annotations

import asyncio
import json
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callmocks.cli import freeze_loaded_objects
from callmocks.cli.check import write_output
from callmocks.cli.serve import (
    exit_on_stop_signals,
    make_stop_event,
    print_message,
    wait_for_stdout,
    write_stderr_in_background,
)
from callmocks.cli.validate import contract_option
from callmocks.config.types import PROVIDER_NAMES, ParsedText, is_loopback, parse_hosts
from callmocks.errors import SettingsError

if TYPE_CHECKING:
    from callmocks.contract.findings import Evidence
    from callmocks.verification.proxy_server import ProxyServer
    from callmocks.verification.tunnels import ForwardHost

_FILE = click.Path(path_type=Path, dir_okay=False)
_TLS = click.Choice(("off", "auto"))
_PORT = click.IntRange(0, 65535)
_HOSTS = ParsedText(parse_hosts, "ADDRESS,…")


@click.command()
@click.argument("provider", type=click.Choice(PROVIDER_NAMES), metavar="PROVIDER")
@click.argument("upstream")
@click.option("--host", type=_HOSTS, default="127.0.0.1", help="Where to listen (127.0.0.1).")
@click.option("--port", type=_PORT, help="Port; 0 takes a free one (9086, 9087, 9088).")
@click.option("--control-port", type=_PORT, help="Port of the journal; there is none without it.")
@click.option("--record", type=_FILE, help="Write what goes by there, masked.")
@click.option(
    "--record-unknown",
    type=click.Choice(("hash", "masked")),
    default="hash",
    help="What no contract has, and what cannot be read: by length and hash (hash), or masked.",
)
@contract_option
@click.option(
    "--fail-on",
    type=click.Choice(("documented", "observed", "assumed")),
    help="Exit with 1 when there were findings of this evidence or a stronger one.",
)
@click.option("--report", type=click.Choice(("junit", "json")), help="Write what was found …")
@click.option("--output", type=_FILE, help="… there, when the proxy ends.")
@click.option("--ca", type=_FILE, help="PEM file with the certificates to trust.")
@click.option(
    "--tls",
    type=click.Choice(("off", "auto")),
    default="off",
    help="auto: https by a CA of its own.",
)
@click.option("--tls-cert", type=_FILE, help="https with this certificate (PEM).")
@click.option("--tls-key", type=_FILE, help="Its key, when it stands in a file of its own.")
@click.option("--tls-ca-out", type=_FILE, help="Write the certificate of that CA here.")
@click.option(
    "--forward",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Let clients that use it as their HTTP proxy reach this https host too.",
)
@click.option("--json", "as_json", is_flag=True, help="Say where it is as one line of JSON.")
def proxy(
    provider: str,
    upstream: str,
    port: int | None,
    ca: Path | None,
    as_json: bool,
    fail_on: Evidence | None,
    report: str | None,
    output: Path | None,
    forward: tuple[str, ...],
    **fields: Any,
) -> None:
    """PROVIDER is arm, cdr or onec; UPSTREAM is its address, with its path:
    https://dataapi.example/v2.0. Until SIGINT or SIGTERM; violations of the
    contract are printed on stderr.
    """
    if (report is None) != (output is None):
        raise SettingsError("--report and --output: use both, the form and the file")
    from callmocks.server.providers import PROVIDERS
    from callmocks.verification.http_client import load_ca, parse_url_option
    from callmocks.verification.proxy_server import ProxyServer, ProxySettings
    from callmocks.verification.tunnels import parse_forward_host

    served = PROVIDERS[provider]
    address = parse_url_option(upstream, "UPSTREAM", ("http", "https")).rstrip("/")
    port = served.proxy_port if port is None else port
    hosts = tuple(map(parse_forward_host, forward))
    if hosts and not is_loopback(fields["host"]):
        raise SettingsError("--forward: only with a --host of this machine, such as 127.0.0.1")
    identity = _open_identity(fields, hosts)
    fields["tunnel_tls" if hosts else "listen_tls"] = identity
    settings = ProxySettings(served, address, port=port, tls=load_ca(ca), forward=hosts, **fields)
    exit_on_stop_signals()
    with write_stderr_in_background() as log_writer:
        server = ProxyServer(settings, print_message, log_writer)
        asyncio.run(_run_proxy(server, as_json))
    found = server.processor.report
    if report is not None:
        render = found.render_json if report == "json" else found.render_junit
        write_output(render(fail_on), output)
    sys.exit(1 if found.count_failures(fail_on) else 0)


def _open_identity(fields: dict[str, Any], hosts: tuple[ForwardHost, ...]) -> ssl.SSLContext | None:
    """Takes its options out of ``fields``. Hosts to forward to need a certificate."""
    tls, cert, key, ca_out = (fields.pop(f"tls{n}") for n in ("", "_cert", "_key", "_ca_out"))
    automatic = tls == "auto" or (bool(hosts) and cert is None)
    if cert is not None and tls == "auto":
        raise SettingsError("--tls-cert: --tls auto makes a certificate of its own")
    if key is not None and cert is None:
        raise SettingsError("--tls-key: there is no certificate to go with it")
    if ca_out is not None and not automatic:
        raise SettingsError("--tls-ca-out: only --tls auto and --forward have a CA of their own")
    if not automatic and cert is None:
        return None
    from callmocks.server.tls import open_identity_for

    names = (fields["host"], *(host.name for host in hosts))
    return open_identity_for(names, cert, key, ca_out).ssl_context


async def _run_proxy(proxy: ProxyServer, as_json: bool) -> None:
    settings = proxy.settings
    async with proxy:
        stopped = make_stop_event()
        freeze_loaded_objects()
        facts = {
            "proxy": proxy.url,
            "provider": settings.provider.name,
            "upstream": settings.upstream,
            "control": proxy.control_url or None,
            "record": None if settings.record is None else str(settings.record),
            "forward": ", ".join(f"{host.name}:{host.port}" for host in settings.forward) or None,
        }
        shown = [f"  {name:9}{value}" for name, value in facts.items() if value and name != "proxy"]
        text = "\n".join([f"callmocks proxy is ready: {proxy.url}", *shown])
        if await wait_for_stdout(stopped):
            print(json.dumps(facts) if as_json else text, flush=True)
        await stopped.wait()
    count = proxy.processor.exchange_count
    plural = "" if count == 1 else "s"
    print_message(f"{count} exchange{plural}, {proxy.processor.violation_count} with findings")
