"""What tests make up, one file per stage, so that no test imports another."""
