"""Recompress the images of an S3 bucket in place, without losing anything."""

__version__ = "0.1.0"
