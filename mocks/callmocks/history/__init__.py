"""The contact centre: one history of calls, drawn day by day, seen through three views."""
