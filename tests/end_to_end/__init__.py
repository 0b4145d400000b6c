"""The product as a whole, used by the programs that people use."""
