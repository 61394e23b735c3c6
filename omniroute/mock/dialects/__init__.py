"""The dialects the mock speaks, one file each with a constant ``DIALECT``. To add one: write the file and its tests."""
