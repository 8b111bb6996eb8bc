"""The run log: events of each run as JSON lines, bounded in number and bytes, and read back tolerantly."""
