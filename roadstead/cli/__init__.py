"""The command line: serving, and every management operation for people and scripts."""
