"""What a provider is, and what the HTTP servers of all providers share."""
