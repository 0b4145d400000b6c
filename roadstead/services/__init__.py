"""What may be done: operations, authorisation, events and the bodies of jobs; one file a feature."""
