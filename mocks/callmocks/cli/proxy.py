"""``callmocks proxy``."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from callmocks.cli.serve import exit_on_stop_signals, make_stop_event

DEFAULT_PORTS = {"arm": 9086, "cdr": 9087, "onec": 9088}
_FILE = click.Path(path_type=Path, dir_okay=False)
_PORT = click.IntRange(0, 65535)


@click.command()
@click.argument("provider", type=click.Choice(tuple(DEFAULT_PORTS)), metavar="PROVIDER")
@click.argument("upstream")
@click.option("--host", default="127.0.0.1", help="Address to listen on (127.0.0.1).")
@click.option("--port", type=_PORT, help="Port; 0 takes a free one (9086, 9087, 9088).")
@click.option("--control-port", type=_PORT, help="Port of the journal; there is none without it.")
@click.option("--record", type=_FILE, help="Write what goes by there, masked.")
@click.option(
    "--contract",
    type=click.Choice(("documented", "strict")),
    default="documented",
    help="ARM: whether what the vendor's own example breaks is tolerated (documented).",
)
@click.option("--ca", type=_FILE, help="PEM file with the certificates to trust.")
@click.option("--json", "as_json", is_flag=True, help="Say where it is as one line of JSON.")
def proxy(
    provider: str,
    upstream: str,
    host: str,
    port: int | None,
    control_port: int | None,
    record: Path | None,
    contract: str,
    ca: Path | None,
    as_json: bool,
) -> None:
    """Stand between a client and a provider and hold both against the contract.

    PROVIDER is arm, cdr or onec; UPSTREAM is its address, with its path:
    https://dataapi.example/v2.0. Until SIGINT or SIGTERM; what leaves the contract is told on
    stderr.
    """
    from callmocks.verification.http_client import load_ca, parse_url_option
    from callmocks.verification.proxy_server import ProxySettings

    settings = ProxySettings(
        provider,
        parse_url_option(upstream, "UPSTREAM", ("http", "https")).rstrip("/"),
        host,
        DEFAULT_PORTS[provider] if port is None else port,
        control_port,
        record,
        contract,
        load_ca(ca),
    )
    exit_on_stop_signals()
    asyncio.run(_run_proxy(settings, as_json))


async def _run_proxy(settings: object, as_json: bool) -> None:
    from callmocks.verification.proxy_server import ProxyServer, ProxySettings

    assert isinstance(settings, ProxySettings)
    running = ProxyServer(settings, _print_message)
    async with running:
        stopped = make_stop_event()
        facts = {
            "proxy": running.url,
            "provider": settings.provider,
            "upstream": settings.upstream,
            "control": running.control_url or None,
            "record": None if settings.record is None else str(settings.record),
        }
        shown = [f"  {name:9}{value}" for name, value in facts.items() if value and name != "proxy"]
        text = "\n".join([f"callmocks proxy is ready: {running.url}", *shown])
        print(json.dumps(facts) if as_json else text, flush=True)
        await stopped.wait()
    traffic = running.processor
    plural = "" if traffic.exchange_count == 1 else "s"
    _print_message(
        f"{traffic.exchange_count} exchange{plural}, {traffic.violation_count} with findings"
    )


def _print_message(text: str) -> None:
    click.echo(f"callmocks: {' '.join(text.split())}", err=True)
