"""Roadstead, a self-hosted container registry: images and Helm charts in isolated instances."""

__version__ = "0.1.0"
