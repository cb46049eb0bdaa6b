"""From the tables to what people look at."""
