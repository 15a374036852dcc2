"""The same run on a Dask cluster."""
