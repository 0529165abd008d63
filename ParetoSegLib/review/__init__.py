"""What leaves the program for a person: files, tables, pictures. No torch."""
