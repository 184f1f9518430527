"""Films and results in DICOM: structured reports and overlays, a node beside a PACS, de-identification.

Needs the extra ``dicom``. Import the modules themselves; each pulls in only what it uses.
"""
