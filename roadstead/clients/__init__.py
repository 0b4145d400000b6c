"""Whom we call: other servers, over HTTP."""
