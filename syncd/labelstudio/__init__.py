"""All that syncd knows of Label Studio: its tables, its label configuration, its media addresses."""
