"""From YAML files to a validated experiment: reading, merging, schemas, rules, messages. Needs no torch."""
