"""The TLS certificate of the servers: the user's, or one of a CA generated for this run."""

from __future__ import annotations

import datetime
import os
import ssl
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from callmocks.errors import SettingsError
from callmocks.history.clock import find_builtin_type, unpatched_now
from callmocks.provider.listeners import LOOPBACK_OF_WILDCARD

if TYPE_CHECKING:
    from callmocks.config.settings import ServeSettings

# In every generated certificate.
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
# Clients of Apple's systems refuse certificates of servers that are valid for longer.
_MAX_VALIDITY = datetime.timedelta(days=825)
_BACKDATED = datetime.timedelta(days=1)  # for clients whose clock is slow


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    ssl_context: ssl.SSLContext
    # The certificate of the generated CA; None for the user's certificate.
    ca_pem: bytes | None = None
    # Generated key and certificate, for other processes of the same run.
    generated_pem: bytes | None = None


def load_generated_identity(generated_pem: bytes, ca_pem: bytes) -> TlsIdentity:
    context = _create_ssl_context()
    _load_cert_chain(context, generated_pem)
    return TlsIdentity(context, ca_pem, generated_pem)


def open_identity(settings: ServeSettings) -> TlsIdentity:
    """The certificate of a generated CA is written before the first request is served."""
    names = settings.host_names()
    return open_identity_for(names, settings.tls_cert, settings.tls_key, settings.tls_ca_out)


def open_identity_for(
    names: Iterable[str], cert: Path | None, key: Path | None, ca_out: Path | None
) -> TlsIdentity:
    """The user's certificate, or one for ``names`` and this machine's by a CA of this run."""
    if cert is not None:
        return _load_user_identity(cert, key)
    others = [name for name in names if name not in LOOPBACK_OF_WILDCARD]
    identity = _generate_identity(tuple(dict.fromkeys((*LOCAL_NAMES, *others))))
    if ca_out is not None and identity.ca_pem is not None:
        try:
            ca_out.write_bytes(identity.ca_pem)
        except OSError as error:
            raise SettingsError(f"--tls-ca-out: {ca_out}: {error.strerror}") from None
    return identity


def _load_user_identity(cert: Path, key: Path | None) -> TlsIdentity:
    _require_pem_block(cert, b"CERTIFICATE-----", "--tls-cert", "certificate")
    flag = "--tls-key" if key else "--tls-cert"
    _require_pem_block(key or cert, b"PRIVATE KEY-----", flag, "private key")
    context = _create_ssl_context()
    try:
        context.load_cert_chain(cert, key, password=_reject_encrypted_key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = f"{key or cert}: the key does not belong to the certificate"
        else:
            reason = f"{cert}: OpenSSL cannot use it: {error.reason or error}"
        raise SettingsError(f"{flag}: {reason}") from None
    return TlsIdentity(context)


def _require_pem_block(path: Path, marker: bytes, flag: str, kind: str) -> None:
    try:
        found = marker in path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{flag}: {path}: {error.strerror}") from None
    if not found:
        raise SettingsError(f"{flag}: {path}: there is no {kind} in PEM form in it")


def _reject_encrypted_key() -> NoReturn:
    raise SettingsError("--tls-key: the key is encrypted; use one without a password")


def _generate_identity(names: tuple[str, ...]) -> TlsIdentity:
    try:
        import trustme
    except ImportError:
        raise SettingsError("--tls: auto needs trustme: the extra tls of callmocks") from None
    with _builtin_datetime():
        authority = trustme.CA(organization_name="callmocks")
        begin = unpatched_now() - _BACKDATED
        try:
            leaf = authority.issue_cert(
                *names,
                organization_name="callmocks",
                not_before=begin,
                not_after=begin + _MAX_VALIDITY,
            )
        except ValueError as error:
            listed = ", ".join(names)
            raise SettingsError(f"--tls: auto: no certificate for {listed}: {error}") from None
    generated_pem = leaf.private_key_and_cert_chain_pem.bytes()
    return load_generated_identity(generated_pem, authority.cert_pem.bytes())


@contextmanager
def _builtin_datetime() -> Iterator[None]:
    # The compiled part of cryptography keeps the class that it finds in `datetime` at its first
    # use: one that a test has patched would make it refuse all others until the process ends.
    found = datetime.datetime
    datetime.datetime = find_builtin_type(found)  # type: ignore[misc]
    try:
        yield
    finally:
        datetime.datetime = found  # type: ignore[misc]


def _create_ssl_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load_cert_chain(context: ssl.SSLContext, pem: bytes) -> None:
    # OpenSSL reads files only, and the key should not be in one: Linux has files in memory, also
    # where the file system is read-only.
    if sys.platform == "linux" and Path("/proc/self/fd").is_dir():
        with os.fdopen(os.memfd_create("callmocks"), "wb") as file:
            file.write(pem)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        return
    with TemporaryDirectory(prefix="callmocks-") as folder:
        path = Path(folder, "identity.pem")
        path.write_bytes(pem)
        context.load_cert_chain(path)
