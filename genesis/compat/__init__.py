"""What becomes of each public name of Genesis: the table `names.toml`, and who answers when a name is not here."""
