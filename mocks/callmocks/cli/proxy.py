from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callmocks.cli.serve import (
    exit_on_stop_signals,
    make_stop_event,
    print_message,
    write_stderr_in_background,
)
from callmocks.cli.validate import contract_option
from callmocks.config.types import PROVIDER_NAMES

if TYPE_CHECKING:
    from callmocks.verification.proxy_server import ProxyServer

_FILE = click.Path(path_type=Path, dir_okay=False)
_PORT = click.IntRange(0, 65535)


@click.command()
@click.argument("provider", type=click.Choice(PROVIDER_NAMES), metavar="PROVIDER")
@click.argument("upstream")
@click.option("--host", default="127.0.0.1", help="Address to listen on (127.0.0.1).")
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
@click.option("--ca", type=_FILE, help="PEM file with the certificates to trust.")
@click.option("--json", "as_json", is_flag=True, help="Say where it is as one line of JSON.")
def proxy(
    provider: str, upstream: str, port: int | None, ca: Path | None, as_json: bool, **fields: Any
) -> None:
    """Relay between a client and a provider and check both against the contract.

    PROVIDER is arm, cdr or onec; UPSTREAM is its address, with its path:
    https://dataapi.example/v2.0. Until SIGINT or SIGTERM; violations of the
    contract are printed on stderr.
    """
    from callmocks.server.providers import PROVIDERS
    from callmocks.verification.http_client import load_ca, parse_url_option
    from callmocks.verification.proxy_server import ProxyServer, ProxySettings

    served = PROVIDERS[provider]
    address = parse_url_option(upstream, "UPSTREAM", ("http", "https")).rstrip("/")
    port = served.proxy_port if port is None else port
    settings = ProxySettings(served, address, port=port, tls=load_ca(ca), **fields)
    exit_on_stop_signals()
    with write_stderr_in_background() as log_writer:
        asyncio.run(_run_proxy(ProxyServer(settings, print_message, log_writer), as_json))


async def _run_proxy(proxy: ProxyServer, as_json: bool) -> None:
    settings = proxy.settings
    async with proxy:
        stopped = make_stop_event()
        facts = {
            "proxy": proxy.url,
            "provider": settings.provider.name,
            "upstream": settings.upstream,
            "control": proxy.control_url or None,
            "record": None if settings.record is None else str(settings.record),
        }
        shown = [f"  {name:9}{value}" for name, value in facts.items() if value and name != "proxy"]
        text = "\n".join([f"callmocks proxy is ready: {proxy.url}", *shown])
        print(json.dumps(facts) if as_json else text, flush=True)
        await stopped.wait()
    count = proxy.processor.exchange_count
    plural = "" if count == 1 else "s"
    print_message(f"{count} exchange{plural}, {proxy.processor.violation_count} with findings")
