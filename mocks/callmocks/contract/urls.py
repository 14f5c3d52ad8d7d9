def bracket_host(host: str) -> str:
    """The host as a URL has it: an IPv6 address stands in brackets."""
    return f"[{host}]" if ":" in host else host


def format_origin(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{bracket_host(host)}:{port}"
