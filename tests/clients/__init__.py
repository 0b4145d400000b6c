"""Drivers of the real clients, one module each, behind one interface (`interface.py`)."""
