"""The contact centre: one history of calls, generated day by day, shown by three views."""
