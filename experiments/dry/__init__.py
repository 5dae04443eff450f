"""What a dry run looks at: the models, and the report of one."""
