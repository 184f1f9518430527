"""Pneumoscope where people work: the record store, the REST service, the dashboard."""
