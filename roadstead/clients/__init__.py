"""Whom we call: other servers, over HTTP; those that users name, through one guarded client."""
