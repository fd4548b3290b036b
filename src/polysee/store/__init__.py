"""What a run keeps: Lance datasets, manifests and fingerprints. Import the modules; this package stays light."""
