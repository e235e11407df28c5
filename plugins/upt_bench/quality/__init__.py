"""The benchmark of quality: data sets × operators × seeds at equal processor seconds, all judged alike."""
