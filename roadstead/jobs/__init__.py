"""What happens later: a durable job queue in the metadata database."""
