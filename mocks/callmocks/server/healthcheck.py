"""Health check of container engines: ``python -m callmocks.server.healthcheck``.

The address of control is the argument, or that of the environment variables and the config file
that they name. Exit code 0 without output when it answers, else 1 and one line on stderr. It runs
every few seconds, so it imports nothing that it does not need.
"""

import http.client
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from callmocks.provider.listeners import LOOPBACK_OF_WILDCARD

TIMEOUT_SECONDS = 2.0


def main(arguments: list[str], environ: Mapping[str, str]) -> NoReturn:
    try:
        host, port, schemes = _find_control(arguments, environ)
    except (OSError, ValueError) as error:
        sys.exit(f"callmocks: the address of control is unknown: {error}")
    problems = []
    for scheme in schemes:
        problem = _request_health(scheme, host, port)
        if not problem:
            sys.exit()
        problems.append(problem)
    sys.exit(f"callmocks: {problems[0]}")


def _find_control(arguments: list[str], environ: Mapping[str, str]) -> tuple[str, int, list[str]]:
    """Host, port and the schemes to try; flags of ``serve`` are unknown here."""
    if arguments:
        parts = urlsplit(arguments[0])
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.port:
            raise ValueError(f"{arguments[0]!r} is not like http://127.0.0.1:8080")
        return parts.hostname, parts.port, [parts.scheme]
    chosen = _read_settings(environ)
    host = str(chosen.get("host", "127.0.0.1")).partition(",")[0].strip()
    secure = chosen.get("tls", "off") != "off" or "tls_cert" in chosen
    schemes = ["https", "http"] if secure else ["http", "https"]
    return LOOPBACK_OF_WILDCARD.get(host, host), int(chosen.get("control_port", 8080)), schemes


def _read_settings(environ: Mapping[str, str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    config = environ.get("CALLMOCKS_CONFIG")
    if config:
        filed = tomllib.loads(Path(config).read_text(encoding="utf-8-sig"))
        chosen.update((key.replace("-", "_"), value) for key, value in filed.items())
    names = ("host", "control_port", "tls", "tls_cert")
    found = {name: environ.get(f"CALLMOCKS_{name.upper()}") for name in names}
    return chosen | {name: value for name, value in found.items() if value}


def _request_health(scheme: str, host: str, port: int) -> str:
    """The problem, or an empty text."""
    connection = _open_connection(scheme, host, port)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{scheme}://{host}:{port}: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if status == 200 else f"{scheme}://{host}:{port}/health answers {status}"


def _open_connection(scheme: str, host: str, port: int) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    import ssl

    # It is asked whether the server answers, not who it is.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
