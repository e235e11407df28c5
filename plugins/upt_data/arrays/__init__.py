"""Files of named arrays, whatever their format: opened by a source, told apart by the axes that each array has."""
