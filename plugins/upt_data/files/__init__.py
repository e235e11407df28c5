"""What data sets in files share: which files, which parameters, which splits, and reading when values are needed."""
